"""Loci, models, deployments, and how they are doing."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.request import Modality, Service


class LocusKind(StrEnum):
    DEVICE = "device"
    EDGE = "edge"
    ON_PREM = "on_prem"
    SOVEREIGN_CLOUD = "sovereign_cloud"
    PUBLIC_CLOUD = "public_cloud"


class KeyCustody(StrEnum):
    CUSTOMER = "customer"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


class TrainingUse(StrEnum):
    NONE = "none"
    OPT_OUT = "opt_out"
    ALLOWED = "allowed"
    UNKNOWN = "unknown"


class Transit(StrEnum):
    """Who besides the operator passes on what is sent there, such as a broker or a proxy."""

    NONE = "none"
    THIRD_PARTY = "third_party"
    UNKNOWN = "unknown"


class Locus(Struct, frozen=True, omit_defaults=False):
    """A place inference can happen, with the facts that policy can use.

    `jurisdiction` is whose law reaches the operator (ISO 3166-1 alpha-2), `region` is where the
    rack stands. `retention` is what the operator states: `none`, a duration such as `30d`, or
    `unknown`. `egress_price` is money per MB sent there. `evidence_until` is the last day (UTC) on
    which what is said here counts; None: no end.
    """

    name: str
    kind: LocusKind
    jurisdiction: str
    owned: bool
    region: str = "unknown"
    operator: str = "unknown"
    key_custody: KeyCustody = KeyCustody.UNKNOWN
    retention: str = "unknown"
    training_use: TrainingUse = TrainingUse.UNKNOWN
    egress_price: float = 0.0
    transit: Transit = Transit.UNKNOWN
    evidence_until: str | None = None


class Model(Struct, frozen=True):
    """Weights + tokenizer + quantisation, by exact name and (where owned) digest.

    Models of one `family` share a tokenizer; see `analysis.token_families`.
    """

    name: str
    capability: CapabilityClass
    context_tokens: int
    modalities: frozenset[Modality] = frozenset({Modality.TEXT})
    tools: bool = False
    structured_output: bool = False
    serves: frozenset[Service] = frozenset({Service.CHAT, Service.COMPLETIONS})
    weights: str | None = None
    licence: str = "unknown"
    origin: str = "unknown"
    family: str = "default"


class Tier(Struct, frozen=True):
    """Money per million tokens of a request whose prompt has more than `above` tokens, all of it.

    None: cached tokens as the prompt, written ones too.
    """

    above: int
    prompt: float
    completion: float
    cached_prompt: float | None = None
    cache_write: float | None = None


class Price(Struct, frozen=True):
    """Money per million tokens; owned hardware states its amortised price, never 0.

    Kinds of tokens without a price of their own (None) cost what the prompt or the completion does
    that they are part of. `request` is money for each request. The last of `tiers` that a prompt is
    long enough for takes the place of the prices that it names.
    """

    currency: str
    prompt: float
    completion: float
    cached_prompt: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    audio_prompt: float | None = None
    audio_completion: float | None = None
    request: float = 0.0
    tiers: tuple[Tier, ...] = ()


class Speed(Struct, frozen=True):
    """Expected speed before anything was measured: seconds, tokens per second."""

    ttft_s: float = 0.5
    prompt_tokens_per_s: float = 2000.0
    completion_tokens_per_s: float = 40.0


class PrefixCache(Struct, frozen=True):
    """What a server keeps of the prompts that it has read, so as not to read them again.

    So many `tokens` of all prompts together, or the last prompt in each of its `slots`; where
    neither is said it is learned.
    """

    tokens: int | None = None
    slots: int | None = None


class CacheFacts(Struct, frozen=True):
    """What a server says of its cache; `start` is another when it has begun anew, with nothing."""

    cache: PrefixCache = PrefixCache()
    start: int = 0


class Role(StrEnum):
    """`standby` is kept warm for when the active ones fail, `last_resort` comes after all."""

    ACTIVE = "active"
    STANDBY = "standby"
    LAST_RESORT = "last_resort"


class Deployment(Struct, frozen=True):
    """One model served on one node: what is filtered, scored and picked.

    `no_retention` are the members of a request that forbid its provider to keep it; None where
    there is no such switch. `logprobs`: it says how probable each token was, if asked.
    """

    name: str
    model: Model
    locus: Locus
    node: str
    price: Price | None = None
    speed: Speed = Speed()
    max_in_flight: int = 64
    no_retention: dict[str, bool | str] | None = None
    role: Role = Role.ACTIVE
    cache: PrefixCache = PrefixCache()
    logprobs: bool = False


class Health(StrEnum):
    """`unknown` was never tried; `stale` was unhealthy and may be tried again, one at a time.

    `ejected` answers, but far worse than others of its model; `limited` said when to come again.
    """

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    STALE = "stale"
    EJECTED = "ejected"
    LIMITED = "limited"


SHUT = frozenset({Health.STARTING, Health.UNHEALTHY, Health.EJECTED, Health.LIMITED})
"""Nothing is sent there now."""

DOWN = SHUT - {Health.EJECTED}
"""Nothing is sent there even where nobody else is left: what is ejected does answer."""


class Pace(Struct, frozen=True, array_like=True):
    """How fast a deployment is, as learned; see `placement.latency` for the sums.

    Seconds: to the first token of an empty prompt, more for each prompt token not in its cache,
    more for each request that waits; then for each token of the answer, more for each prompt token,
    more for each request in flight. `late` times the expected TTFT is about its p95.
    """

    fixed_s: float
    prompt_s: float
    wait_s: float
    token_s: float
    context_s: float
    crowd_s: float
    late: float


class DeploymentState(Struct, frozen=True):
    """How one deployment is doing now.

    `in_flight` counts requests sent and not ended; `pace` is None until something was measured.
    """

    health: Health = Health.UNKNOWN
    in_flight: int = 0
    pace: Pace | None = None


class Condition(Struct, frozen=True):
    """What a health is due to: `why` in a word or two, and for how many seconds it has been so.

    `again_s` is in how many it may be tried again, where that is known; `tries` counts how often in
    a row it was shut.
    """

    health: Health
    for_s: float = 0.0
    why: str = ""
    again_s: float | None = None
    tries: int = 0


class FleetView(Struct, frozen=True):
    """All deployments with their states at one moment, position by position.

    `digest` names the static facts (deployments, not states); they are stored once under it.
    """

    deployments: tuple[Deployment, ...]
    states: tuple[DeploymentState, ...]
    digest: str
