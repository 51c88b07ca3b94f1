"""The receipt format, version 1: what stands on each line (docs/reference/receipts.md).

A line is one JSON object. Its first members are the same for all types (`v`, `type`, `chain`,
`seq`, `prev`); the bodies here add `at` and the rest. Nothing here holds content: texts that the
caller chose freely enter as salted digests.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import msgspec
from msgspec import UNSET, Struct, UnsetType

from situs.core.decision import Analysis, Placement, PolicyDecision
from situs.core.fleet import DeploymentState, FleetView
from situs.core.label import Label
from situs.core.record import Decided, Rotation
from situs.core.request import AUTO, Ask, Copy, Modality, Objective
from situs.core.route import Routed

FORMAT = 1
GENESIS = "0" * 64
"""`prev` of a chain's first line."""

_SIGNATURE = b',"signature":"'
_encode = msgspec.json.Encoder().encode


class AskFacts(Struct, frozen=True, omit_defaults=True):
    """The caller's headers. `session` and `data` are salted digests."""

    label: Label | None = None
    objective: Objective | None = None
    session: str | None = None
    data: str | None = None
    max_cost: float | None = None
    slo_ttft_s: float | None = None
    deadline_s: float | None = None
    criticality: str = "advisory"


class SessionFacts(Struct, frozen=True):
    """The label of the request's session before it, and from now on."""

    before: Label
    after: Label


class RequestFacts(Struct, frozen=True):
    """The request without its content; `salt` is the position of its salt in the salts file.

    `groups` are missing on lines of versions that did not write them, `copy` where it is none.
    """

    wire: str
    model: str
    size: int
    digest: str
    salt: int
    stream: bool
    max_completion_tokens: int | None
    choices: int
    modalities: frozenset[Modality]
    tools: bool
    structured_output: bool
    tenant: str
    key: str
    ask: AskFacts
    trace: str | None = None
    session: SessionFacts | UnsetType = UNSET
    groups: tuple[str, ...] | UnsetType = UNSET
    copy: Copy | UnsetType = UNSET


class FleetFacts(Struct, frozen=True):
    """Which fleet line holds, and how each of its deployments was doing, in its order."""

    digest: str
    states: tuple[DeploymentState, ...]


class DecisionBody(Struct, frozen=True):
    id: str
    at: float
    request: RequestFacts
    analysis: Analysis
    policy: PolicyDecision
    placement: Placement
    fleet: FleetFacts


class Cited(Struct, frozen=True):
    """A line of another chain, by sequence and digest."""

    chain: str
    seq: int
    digest: str


class OpenBody(Struct, frozen=True):
    """First line of a segment. `previous` (first segment only): where other chains stood.

    `rotations` lead from the first signing key to this one; missing where it is the first.
    """

    at: float
    situs: str
    key: str
    public_key: str
    previous: tuple[Cited, ...] = ()
    witness: bool | UnsetType = UNSET
    rotations: tuple[Rotation, ...] | UnsetType = UNSET


class WitnessBody(Struct, frozen=True):
    """The newest durable checkpoint of every other chain that has one newer than told before."""

    at: float
    heads: tuple[Cited, ...]


class CheckpointBody(Struct, frozen=True):
    """A signed Merkle root over the first `size` lines of the segment that begins at `first`."""

    at: float
    first: int
    size: int
    root: str
    key: str
    signature: str


class Root(Struct, frozen=True, kw_only=True):
    """What stays of a retired segment, in a file of its own.

    `prev` is the digest before its first line, `last` that of its last line, `root` the Merkle root
    over all its lines. `waiting` are decisions whose outcome came later, `late` outcomes whose
    decision came earlier; `cites` is the newest line of each other chain that it named. `key` and
    `rotations` are as in `OpenBody`.
    """

    v: int
    type: str
    chain: str
    first: int
    lines: int
    prev: str
    last: str
    root: str
    began: float
    ended: float
    at: float
    decisions: int
    outcomes: int
    waiting: tuple[str, ...]
    late: tuple[str, ...]
    cites: tuple[Cited, ...]
    witness: bool
    key: str
    rotations: tuple[Rotation, ...] | UnsetType = UNSET


class CloseBody(Struct, frozen=True):
    """Last words of a clean end; `lost` counts outcomes that could not be written."""

    at: float
    decisions: int
    outcomes: int
    lost: int


def encode(body: Struct) -> bytes:
    return _encode(body)


def head(kind: str, chain: str, seq: int, prev: str) -> bytes:
    """The members that every line begins with, open for the body's own."""
    return (
        f'{{"v":{FORMAT},"type":"{kind}","chain":"{chain}","seq":{seq},"prev":"{prev}",'
    ).encode()


def signed_text(chain: str, first: int, size: int, root: str) -> bytes:
    """The bytes that a checkpoint's signature is over."""
    return f"situs receipts checkpoint v1\n{chain}\n{first}\n{size}\n{root}\n".encode()


def root_text(stated: bytes) -> bytes:
    """The bytes that a root's signature is over; `stated` is its file before `,"signature"`."""
    return b"situs receipts root v1\n" + stated


def root_line(root: Root, sign: Callable[[bytes], bytes]) -> bytes:
    stated = _encode(root)[:-1]
    return stated + _SIGNATURE + sign(root_text(stated)).hex().encode() + b'"}\n'


def read_root(line: bytes) -> tuple[Root, bytes, bytes]:
    """A root, what its signature is over, and the signature. Raises ValueError."""
    stated, _, rest = line.rpartition(_SIGNATURE)
    root = msgspec.json.decode(stated + b"}", type=Root)
    if root.v != FORMAT or root.type != "root":
        raise ValueError("not a root of this version")
    return root, root_text(stated), bytes.fromhex(rest.rstrip(b'"}\n').decode("ascii"))


def decision_body(record: Decided, slot: int, salt: bytes) -> bytes:
    """Encode a decision. `salt` is the one at position `slot` of the segment's salts."""
    request, decision, view = record.request, record.decision, record.fleet
    return _encode(
        DecisionBody(
            id=decision.id,
            at=decision.at,
            request=RequestFacts(
                wire=request.wire.value,
                model=_known_model(request.model, decision.analysis.routed, view, salt),
                size=request.size,
                digest=sha256(salt + request.body).hexdigest(),
                salt=slot,
                stream=request.stream,
                max_completion_tokens=request.max_completion_tokens,
                choices=request.choices,
                modalities=request.modalities,
                tools=request.tools,
                structured_output=request.structured_output,
                tenant=request.principal.tenant,
                key=request.principal.key,
                ask=_ask(request.ask, salt),
                trace=request.trace,
                session=UNSET
                if record.session is None
                else SessionFacts(request.session_label, record.session),
                groups=request.principal.groups,
                copy=request.copy or UNSET,
            ),
            analysis=decision.analysis,
            policy=decision.policy,
            placement=decision.placement,
            fleet=FleetFacts(decision.fleet, view.states),
        )
    )


def salted(salt: bytes, kind: str, text: str) -> str:
    """Digest of a text that the caller chose; `kind` keeps equal texts of two kinds apart."""
    return sha256(salt + f"{kind}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def _known_model(model: str, routed: Routed | None, view: FleetView, salt: bytes) -> str:
    """Names that the configuration knows stay; anything else could be content."""
    if model == AUTO or (routed is not None and routed.route == model):
        return model
    if any(model in (d.name, d.model.name) for d in view.deployments):
        return model
    return "sha256:" + salted(salt, "model", model)


_NO_ASK = AskFacts()


def _ask(ask: Ask, salt: bytes) -> AskFacts:
    if ask == Ask():
        return _NO_ASK
    return AskFacts(
        label=ask.label,
        objective=ask.objective,
        session=None if ask.session is None else salted(salt, "session", ask.session),
        data=None if ask.data is None else salted(salt, "data", ask.data),
        max_cost=ask.max_cost,
        slo_ttft_s=ask.slo_ttft_s,
        deadline_s=ask.deadline_s,
        criticality=ask.criticality,
    )


def fleet_body(view: FleetView, at: float) -> bytes:
    """Encode the static facts of a fleet."""
    body = {"at": at, "digest": view.digest, "deployments": view.deployments}
    return msgspec.json.encode(body, order="deterministic")
