"""What was found out, what is allowed, what is best: the three parts of a decision."""

from __future__ import annotations

from msgspec import Struct

from situs.core.aim import Aim, Cascade, Mode
from situs.core.capability import CapabilityClass
from situs.core.label import Finding, Label, LabelReason
from situs.core.request import Objective
from situs.core.route import Routed


class Analysis(Struct, frozen=True):
    """What the request is. `needs` is the smallest capability class that will do.

    `longest_tokens` are those of the longest prompt of a batch; None where there is only one.
    `tiers` says by what each part was found: `rule`, `fast`, `deep`, `shed` (there was no time for
    what should have been asked) or `skipped` (it could not have changed the decision).
    Probabilities are calibrated; None where a rule spoke. `prompt_tokens` is the most that any
    model of the fleet needs, `tokens_by` what each family of tokenizers needs where there are
    several. Four answers out of five have so many tokens as `completion_range` says. `data` are the
    data sets that the request, or its route, draws on. `acceptable` is the probability of an
    acceptable answer by model, where a head says it.
    """

    label: Label
    reasons: tuple[LabelReason, ...]
    findings: tuple[Finding, ...]
    prompt_tokens: int
    completion_tokens: int
    task: str
    needs: CapabilityClass
    tiers: dict[str, str] = {}
    language: str = "und"
    interactive: bool = True
    routed: Routed | None = None
    longest_tokens: int | None = None
    task_probability: float | None = None
    needs_probability: float | None = None
    completion_range: tuple[int, int] | None = None
    tokens_by: dict[str, int] = {}
    data: tuple[str, ...] = ()
    acceptable: dict[str, float] = {}


class Exclusion(Struct, frozen=True):
    """A deployment that is out: `rule` is `policy` or the filter's name, `code` says why."""

    deployment: str
    rule: str
    code: str


class Obligation(Struct, frozen=True, omit_defaults=True, order=True):
    """Something that must be done if the request goes to `deployment` (or to any: `*`).

    `findings` are the kinds of finding that it is about (empty: all), `limit` is a number of tokens
    or seconds, `scope` says how long pseudonyms hold (`request` or `session`), `action` what is
    done with what is found in an answer (`stop`, `redact` or `note`).
    """

    kind: str
    deployment: str = "*"
    findings: tuple[str, ...] = ()
    limit: int = 0
    scope: str = "request"
    action: str = "stop"


class PolicyDecision(Struct, frozen=True):
    """May it run there? Only names in `allowed` may ever be reached.

    `declassify` is the label that the policy expressly puts on the session from now on.
    """

    allowed: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    obligations: tuple[Obligation, ...]
    policy: str
    error: str | None = None
    declassify: Label | None = None


class Candidate(Struct, frozen=True):
    """One ranked deployment with what each scorer that counts says, and the expected figures.

    `quality` is the expected probability of an acceptable answer, `prompt_tokens` are as its
    tokenizer makes them, of which its cache is likely to have `cached_tokens`.
    """

    deployment: str
    score: float
    scores: dict[str, float]
    adequate: bool
    cost: float | None
    ttft_s: float
    e2e_s: float
    quality: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0


class Given(Struct, frozen=True, omit_defaults=True):
    """What placement went by besides request, analysis, verdict and fleet; it is replayed on that.

    `qualities` are those expected of models, and `usual_cost` is what a usual request costs at the
    best on the whole, where something was learned of any; `answers` the tokens expected of a
    model's answer (of one choice), where lengths were learned. `warm` are the tokens in caches,
    `read` those read lately, by deployment. `calibrated` are the models whose answers can be
    judged, under a cascade.
    """

    aim: Aim = Aim()
    qualities: dict[str, float] = {}
    usual_cost: float = 0.0
    answers: dict[str, int] = {}
    warm: dict[str, int] = {}
    read: dict[str, int] = {}
    calibrated: tuple[str, ...] = ()


class Placement(Struct, frozen=True, omit_defaults=True):
    """Best first; dispatch walks down `ranked` and nowhere else.

    In a `mode` with a baseline, `pick` is the deployment that Situs would have chosen, and `copies`
    are those that answer a copy off the request path. With `cascade`, answers of the first may be
    refused, and dispatch goes on to the others.
    """

    ranked: tuple[Candidate, ...]
    exclusions: tuple[Exclusion, ...]
    objective: Objective
    mode: Mode | None = None
    pick: str | None = None
    copies: tuple[str, ...] = ()
    cascade: Cascade | None = None
    hedge: bool = False
    given: Given = Given()


class Decision(Struct, frozen=True):
    """All of it, with one id. `at` is wall time in seconds since the epoch."""

    id: str
    at: float
    analysis: Analysis
    policy: PolicyDecision
    placement: Placement
    fleet: str
