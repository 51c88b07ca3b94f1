"""Decisions of the record as they can be decided again: all that was decided on, but no content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec import UNSET, Struct

from situs.core.fleet import Deployment, FleetView
from situs.core.label import Label
from situs.core.request import Ask, Principal, Request, Wire
from situs.stores.layout import chain_folders, parse, segments
from situs.stores.lines import FORMAT, DecisionBody, RequestFacts

STORED = frozenset(
    {
        "version", "wire", "principal", "label", "label_reasons", "findings", "task", "route",
        "language", "interactive", "needs", "prompt_tokens", "completion_tokens", "expected_cost",
        "modalities", "tools", "structured_output", "stream", "objective", "session",
        "session_label", "criticality", "time", "time_unix", "deployments",
    }
)  # fmt: skip
"""The fields of a policy's input that a decision's line has."""

SETTINGS = frozenset({"home_jurisdiction", "data"})
"""Those that come from the configuration: what it says now stands for what it said then."""

_OTHERS = tuple(
    b'"type":"%s",' % kind for kind in (b"outcome", b"checkpoint", b"witness", b"close")
)
_DECISION, _FLEET, _OPEN = (b'"type":"%s",' % kind for kind in (b"decision", b"fleet", b"open"))
_THIS = f'{{"v":{FORMAT},'.encode()
_HEAD = 40
_BLOCK = 1 << 24
_BUFFER = 1 << 20


class Segment(Struct, frozen=True):
    """A file of the record. `until` is when the next one of its chain begins, if there is one."""

    path: str
    size: int
    until: float | None = None


class Past(Struct, frozen=True):
    """A decision as it was made: on which request and fleet, by which version of Situs."""

    request: Request
    said: DecisionBody
    fleet: FleetView
    situs: str

    @property
    def has_groups(self) -> bool:
        """Whether it is known to which groups the caller belonged."""
        return self.said.request.groups is not UNSET


class Lost(Struct, frozen=True):
    """A line that cannot be decided again, and why."""

    why: str


class _Fleet(Struct):
    digest: str
    deployments: tuple[Deployment, ...]


_decision = msgspec.json.Decoder(DecisionBody).decode
_fleet = msgspec.json.Decoder(_Fleet).decode


def record(receipts: Path, since: float | None) -> list[Segment]:
    """The files that may have decisions since then, in a fixed order."""
    found: list[Segment] = []
    for chain in sorted(chain_folders(receipts)):
        files = segments(chain)
        begun = [_began(path) for path in files[1:]]
        for path, until in zip(files, [*begun, None], strict=True):
            if since is None or until is None or until >= since:
                found.append(Segment(str(path), path.stat().st_size, until))
    return found


def count_decisions(segment: Segment) -> int:
    """About how many it has, without reading them: a line that says so is one."""
    count = 0
    with Path(segment.path).open("rb") as file:
        while block := file.read(_BLOCK):
            count += block.count(_DECISION)
    return count


def decisions(segment: Segment, since: float | None, share: float = 1.0) -> Iterator[Past | Lost]:
    """Those of one file since then; of a `share` below 1 those whose ids say so, always the same.

    A last line that is torn is left out: it was acknowledged to nobody. Raises OSError.
    """
    fleets: dict[str, tuple[Deployment, ...]] = {}
    situs, below = "unknown", int(share * (1 << 32))
    with Path(segment.path).open("rb", buffering=_BUFFER) as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            head = line[:_HEAD]
            if _DECISION in head:
                past = _past(line, fleets, situs)
                if isinstance(past, Lost) or _wanted(past.said, since, below):
                    yield past
            elif _FLEET in head:
                with suppress(
                    msgspec.MsgspecError, UnicodeDecodeError
                ):  # decisions that cite it say so
                    fleet = _fleet(line)
                    fleets[fleet.digest] = fleet.deployments
            elif _OPEN in head:
                situs = str((parse(line) or {}).get("situs", situs))
            elif not any(kind in head for kind in _OTHERS):
                yield Lost("a line that is none of the record's: it may have been a decision")


def _wanted(said: DecisionBody, since: float | None, below: int) -> bool:
    return (since is None or said.at >= since) and crc32(said.id.encode()) < below


def _past(line: bytes, fleets: dict[str, tuple[Deployment, ...]], situs: str) -> Past | Lost:
    if not line.startswith(_THIS):
        return Lost("a decision in another format")
    try:
        said = _decision(line)
        request = _request(said)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return Lost("a decision that cannot be read")
    deployments = fleets.get(said.fleet.digest)
    if deployments is None:
        return Lost("a decision whose fleet is not in its file")
    if len(said.fleet.states) != len(deployments):
        return Lost("a decision that does not say how its fleet was")
    return Past(request, said, FleetView(deployments, said.fleet.states, said.fleet.digest), situs)


def _request(said: DecisionBody) -> Request:
    """The request without its content. Raises ValueError for a wire that is not known."""
    facts = said.request
    return Request(
        id=said.id,
        wire=Wire(facts.wire),
        model=facts.model,
        document={},
        texts=(),
        size=facts.size,
        stream=facts.stream,
        max_completion_tokens=facts.max_completion_tokens,
        choices=facts.choices,
        modalities=facts.modalities,
        tools=facts.tools,
        structured_output=facts.structured_output,
        principal=Principal(facts.tenant, facts.key, facts.groups or ()),
        ask=_ask(facts),
        session_label=Label.PUBLIC if facts.session is UNSET else facts.session.before,
        data=said.analysis.data,
        copy=None if facts.copy is UNSET else facts.copy,
    )


def _ask(facts: RequestFacts) -> Ask:
    """The names in it are digests: what counts is whether there is one."""
    ask = facts.ask
    return Ask(
        ask.label,
        ask.objective,
        ask.session,
        ask.data,
        ask.max_cost,
        ask.slo_ttft_s,
        ask.deadline_s,
        ask.criticality,
    )


def _began(path: Path) -> float | None:
    with path.open("rb") as file:
        at = (parse(file.readline()) or {}).get("at")
    return float(at) if isinstance(at, int | float) else None
