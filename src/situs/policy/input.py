"""The input document of a policy: what it may know about a request. Metadata only, never content.

`docs/reference/policy-input.md` is this file in prose; a test holds the two together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct, inspect

from situs.core.capability import CapabilityClass
from situs.core.cost import expected_cost
from situs.core.data import DataSet, Leaves
from situs.core.decision import Analysis
from situs.core.fleet import Deployment, FleetView, Locus, Price
from situs.core.label import Label, LabelReason
from situs.core.request import Modality, Objective, Principal, Request, Wire
from situs.core.snapshot import Memory, Snapshot

VERSION: Final = 1
UNKNOWN_COST: Final = 1e300


class ModelFacts(Struct, frozen=True):
    """The model a deployment serves; `weights` is its digest, null where nobody knows."""

    name: str
    capability: CapabilityClass
    context_tokens: int
    modalities: list[Modality]
    tools: bool
    structured_output: bool
    weights: str | None
    licence: str
    origin: str


class DeploymentFacts(Struct, frozen=True):
    """One deployment, usable or not just now: how it is doing is not the policy's business."""

    name: str
    node: str
    model: ModelFacts
    locus: Locus
    price: Price | None


class InputDocument(Struct, frozen=True):
    """All of `input`. `findings` counts by kind; `time` is RFC 3339 in UTC, to the second."""

    version: Literal[1]
    wire: Wire
    principal: Principal
    label: Label
    label_reasons: tuple[LabelReason, ...]
    findings: dict[str, int]
    task: str
    route: str | None
    language: str
    interactive: bool
    needs: CapabilityClass
    prompt_tokens: int
    completion_tokens: int
    expected_cost: dict[str, float]
    modalities: list[Modality]
    tools: bool
    structured_output: bool
    stream: bool
    objective: Objective | None
    session: bool
    session_label: Label
    data: list[DataSet]
    criticality: str
    home_jurisdiction: str
    time: str
    time_unix: float
    deployments: list[DeploymentFacts]


class Facts(Struct, frozen=True):
    """What the document is made from. `now` is wall time in seconds since the epoch."""

    request: Request
    analysis: Analysis
    snapshot: Snapshot
    now: float


_encoder = msgspec.json.Encoder()


def input_document(facts: Facts, fields: AbstractSet[str] | None = None) -> bytes:
    """The document as JSON; with `fields`, only those members of it.

    Raises ValueError or OverflowError when `now` is no date, KeyError for an unknown field.
    """
    names = FIELDS if fields is None else fields
    return _encoder.encode({name: FIELDS[name](facts) for name in names})


def deployments(fleet: FleetView, memory: Memory | None) -> Raw:
    """The member that depends on the fleet alone: encoded once for each fleet digest."""
    key = b"deployments:" + fleet.digest.encode()
    known = None if memory is None else memory.get(key)
    if known is None:
        known = Raw(_encoder.encode([deployment_facts(one) for one in fleet.deployments]))
        if memory is not None:
            memory.put(key, known)
    assert isinstance(known, Raw)  # noqa: S101 - only this function puts under this key
    return known


def deployment_facts(deployment: Deployment) -> DeploymentFacts:
    model = deployment.model
    return DeploymentFacts(
        name=deployment.name,
        node=deployment.node,
        model=ModelFacts(
            name=model.name,
            capability=model.capability,
            context_tokens=model.context_tokens,
            modalities=sorted(model.modalities),
            tools=model.tools,
            structured_output=model.structured_output,
            weights=model.weights,
            licence=model.licence,
            origin=model.origin,
        ),
        locus=deployment.locus,
        price=deployment.price,
    )


def _findings(facts: Facts) -> dict[str, int]:
    return dict(sorted(Counter(one.kind for one in facts.analysis.findings).items()))


def _data_set(facts: Facts, name: str) -> DataSet:
    """One that is not declared lies nowhere, and nothing of it may leave."""
    nowhere = DataSet(name, Label.RESTRICTED, (), "ZZ", Leaves.NEVER)
    return facts.snapshot.data.get(name, nowhere)


def expected_costs(facts: Facts, deployments: Iterable[Deployment]) -> dict[str, float]:
    """By deployment; what nobody knows is more than any cap, on either side of a comparison."""
    request, analysis, data = facts.request, facts.analysis, facts.snapshot.data
    costs = {one.name: expected_cost(one, request, analysis, data) for one in deployments}
    return {
        name: cost if cost is not None and isfinite(cost) else UNKNOWN_COST
        for name, cost in costs.items()
    }


def _costs_from(facts: Facts) -> list[Any]:
    """All of a request that what it costs depends on, wherever it goes (`core.cost`)."""
    request, analysis, data = facts.request, facts.analysis, facts.snapshot.data
    tokens = analysis.prompt_tokens, analysis.tokens_by, analysis.completion_tokens
    return [tokens, request.choices, request.size, [data.get(name) for name in analysis.data]]


def _time(facts: Facts) -> str:
    return datetime.fromtimestamp(facts.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


FIELDS: Final[Mapping[str, Callable[[Facts], Any]]] = MappingProxyType(
    {
        "version": lambda _: VERSION,
        "wire": lambda facts: facts.request.wire,
        "principal": lambda facts: facts.request.principal,
        "label": lambda facts: facts.analysis.label,
        "label_reasons": lambda facts: facts.analysis.reasons,
        "findings": _findings,
        "task": lambda facts: facts.analysis.task,
        "route": lambda facts: facts.analysis.routed and facts.analysis.routed.route,
        "language": lambda facts: facts.analysis.language,
        "interactive": lambda facts: facts.analysis.interactive,
        "needs": lambda facts: facts.analysis.needs,
        "prompt_tokens": lambda facts: facts.analysis.prompt_tokens,
        "completion_tokens": lambda facts: facts.analysis.completion_tokens,
        "expected_cost": lambda facts: expected_costs(facts, facts.snapshot.fleet.deployments),
        "modalities": lambda facts: sorted(facts.request.modalities),
        "tools": lambda facts: facts.request.tools,
        "structured_output": lambda facts: facts.request.structured_output,
        "stream": lambda facts: facts.request.stream,
        "objective": lambda facts: facts.request.ask.objective,
        "session": lambda facts: facts.request.ask.session is not None,
        "session_label": lambda facts: facts.request.session_label,
        "data": lambda facts: [_data_set(facts, name) for name in facts.analysis.data],
        "criticality": lambda facts: facts.request.ask.criticality,
        "home_jurisdiction": lambda facts: facts.snapshot.home,
        "time": _time,
        "time_unix": lambda facts: _time(facts) and facts.now,
        "deployments": lambda facts: deployments(
            facts.snapshot.fleet, facts.snapshot.policy.memory
        ),
    }
)

ALIKE: Final[Mapping[str, Callable[[Facts], Any]]] = MappingProxyType(
    {
        **FIELDS,
        "expected_cost": _costs_from,
        "deployments": lambda facts: facts.snapshot.fleet.digest,
    }
)
"""What is equal for two requests on one fleet where the field is, and is less work to find out."""

CLOCK: Final = frozenset({"time", "time_unix"})
"""The fields that differ from request to request by themselves."""


def input_schema() -> dict[str, Any]:
    """The JSON schema of the document, version 1."""
    return msgspec.json.schema(InputDocument)


class NoSuchField(Struct, frozen=True):
    """`path` as far as its first unknown member, and the members there are."""

    path: tuple[str, ...]
    known: tuple[str, ...]


def unknown_field(path: tuple[str, ...]) -> NoSuchField | None:
    """Where a path into the document (`*` for an index) leaves the schema; None if it does not."""
    kind: inspect.Type = inspect.type_info(InputDocument)
    for depth, name in enumerate(path):
        if isinstance(kind, inspect.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        if isinstance(kind, inspect.StructType):
            members = {field.encode_name: field.type for field in kind.fields}
            if name == "*":
                return None
            if name not in members:
                return NoSuchField(path[: depth + 1], tuple(members))
            kind = members[name]
        elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
            if name != "*" and not name.isdecimal():
                return NoSuchField(path[: depth + 1], ())
            kind = kind.item_type
        elif isinstance(kind, inspect.DictType):
            kind = kind.value_type
        else:
            return NoSuchField(path[: depth + 1], ())
    return None
