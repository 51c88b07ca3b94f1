"""Everything that can be known before a request, swapped whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from situs.core.aim import Aim
from situs.core.data import DataSet
from situs.core.decision import PolicyDecision
from situs.core.fleet import FleetView
from situs.core.heads import NO_HEADS, Heads, Seen
from situs.core.label import Label
from situs.core.length import NO_LENGTHS, Lengths
from situs.core.request import Request
from situs.core.route import Route, Routed

Evaluate = Callable[[bytes], Any]
"""A policy engine: JSON of the input document in, the verdict document (plain JSON values) out."""


class Memory(Protocol):
    """A bounded place for what need not be computed twice."""

    def get(self, key: bytes) -> Any | None: ...

    def put(self, key: bytes, value: Any) -> None: ...


class Policy(Struct, frozen=True):
    """A loaded policy: `digest` names its modules, `evaluate` is given the fields in `reads` only.

    `memory` keeps verdicts; without one every request is evaluated. `facts` are the paths below a
    deployment that can change what is said of it (the empty path: all): deployments that are alike
    in these are judged as one. `ask` waits for a verdict that is given elsewhere (on what
    `policy.input.Facts` says); then `evaluate` denies whoever does not wait.
    """

    evaluate: Evaluate
    digest: str
    reads: frozenset[str]
    memory: Memory | None = None
    facts: frozenset[tuple[str, ...]] = frozenset({()})
    ask: Callable[[Any], Awaitable[PolicyDecision]] | None = None


class Labels(Struct, frozen=True):
    """The table from finding kinds to the label they set as a floor, and the defaults.

    `tables` are the detectors (`analysis.sensitivity.table`) of tenants with lists of their own,
    and under "" those of all others, where there are lists for all. `data` are the labels of data
    sets.
    """

    floors: dict[str, Label]
    default: Label = Label.PUBLIC
    unread: Label = Label.INTERNAL
    tables: dict[str, Any] = {}
    data: dict[str, Label] = {}

    def table_of(self, tenant: str) -> Any:
        """The detectors for a tenant; None: the standard ones."""
        return self.tables.get(tenant, self.tables.get("")) if self.tables else None


def _no_route(
    request: Request, seen: Seen | None = None, vectors: Sequence[Any] | None = None
) -> Routed | None:
    return None


def _sure_of_none(
    request: Request, seen: Seen | None = None
) -> tuple[Routed | None, tuple[str, ...]]:
    return None, ()


def _no_answer(request: Request, routed: Routed | None) -> str | None:
    return None


class Routes(Struct, frozen=True):
    """The named routes, what finds the one that a request is of, and what answers for it.

    `look` gives what the fast tier finds, and the texts whose vectors would help to know better;
    `find` is given those vectors, and says the same as `look` without them. `seen` are the features
    of what was last asked, if they are there already.
    """

    table: dict[str, Route] = {}
    look: Callable[..., tuple[Routed | None, tuple[str, ...]]] = _sure_of_none
    find: Callable[..., Routed | None] = _no_route
    answer: Callable[[Request, Routed | None], str | None] = _no_answer


NO_ROUTES = Routes()


class Belief(Struct, frozen=True):
    """How often answers are acceptable: `mean` in [0, 1], worth `weight` observations (Beta)."""

    mean: float
    weight: float


ANY_KIND = "*"
"""Stands for kinds of requests at which a model was never seen."""


class Beliefs(Struct, frozen=True):
    """What is known of models, by (model, kind of request, capability class needed).

    The kind may be ANY_KIND; see `placement.quality`. `usual` are the tokens of prompt and answer
    of a usual request. `lengths` say how long answers are; see `placement.lengths`. `digest` names
    the state. `final` and `answers`: what was expected of models in a decision that is replayed,
    quality and tokens of an answer; and `usual_cost`, what a usual request cost then.
    """

    table: dict[tuple[str, ...], Belief] = {}
    usual: tuple[float, float] = (500.0, 250.0)
    digest: str = ""
    final: dict[str, float] = {}
    lengths: Lengths = NO_LENGTHS
    answers: dict[str, int] = {}
    usual_cost: float | None = None


class Confidences(Struct, frozen=True):
    """How sure one may be of an answer: calibrations by (model, task); see `dispatch.cascade`.

    `final`: the models that had one in a decision that is replayed.
    """

    table: dict[tuple[str, str], Any] = {}
    digest: str = ""
    final: frozenset[str] = frozenset()


class Snapshot(Struct, frozen=True):
    """What `decide` reads besides the request.

    `home` is the jurisdiction of the organisation itself (ISO 3166-1 alpha-2); empty: not stated.
    `data` are the declared data sets by name. `canaries` are the tokens that may not leave.
    `aim` holds but for those of its fields that `tenants`, and then `aims` of routes, set. In
    `memory` placement keeps what it knows of the fleet; without one it is made anew each time.
    `read` are the prompt tokens that deployments had to read lately, fading (`placement.prefix`).
    The pilots of these scopes (`Aim.scope`) were `rolled_back`.
    """

    fleet: FleetView
    policy: Policy
    labels: Labels
    aim: Aim = Aim()
    home: str = ""
    routes: Routes = NO_ROUTES
    heads: Heads = NO_HEADS
    data: dict[str, DataSet] = {}
    canaries: tuple[bytes, ...] = ()
    tenants: dict[str, dict[str, Any]] = {}
    aims: dict[str, dict[str, Any]] = {}
    beliefs: Beliefs = Beliefs()
    confidences: Confidences = Confidences()
    memory: Memory | None = None
    read: Mapping[str, int] = {}
    rolled_back: frozenset[str] = frozenset()
