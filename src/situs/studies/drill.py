"""What two runs of the same requests say: one as always, one with some loci dark.

Nothing of a request or an answer stands in a report: requests by number, answers by digest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from situs.errors import OperatorError
from situs.studies.drill_run import Said

_MOST_TOKENS = 48
_SEED = 7
_MOST_LINES = 100_000
_PROMPTS = "drill_prompts.jsonl"
_DARK = "dark (by the drill)"


class Reached(Struct, frozen=True):
    """What the receipts of the dark run say of one attempt that reached a dark locus."""

    id: str
    locus: str
    address: str
    bytes_out: int


class Failed(Struct, frozen=True):
    """A request that was answered as always and not in the dark; numbers are from 1."""

    request: int
    status: int
    code: str
    message: str


class Changed(Struct, frozen=True):
    """A request that the same owned deployment answered otherwise, or at another price."""

    request: int
    deployment: str
    before: str
    after: str


class Latency(Struct, frozen=True):
    """Seconds to the whole answer; None where nothing was answered."""

    p50_s: float | None
    p95_s: float | None


class Held(Struct, frozen=True):
    """What held the block, by layer: `list` always does. What did not, says why."""

    kernel: str
    namespace: str


class Report(Struct, frozen=True):
    """The outcome of a drill. `continuity` is the share answered of what was answered as always.

    `at` is wall time in seconds; `moved` counts requests by where they went before and after.
    """

    drill: str
    at: float
    dark: tuple[str, ...]
    deployments_dark: tuple[str, ...]
    held: Held
    requests: int
    asked_normal: int
    asked_dark: int
    answered_normal: int
    answered_dark: int
    continuity: float | None
    normal: Latency
    in_dark: Latency
    moved: dict[str, int]
    failed: tuple[Failed, ...]
    answers_compared: int
    answers_changed: tuple[Changed, ...]
    prices_changed: tuple[Changed, ...]
    reached: tuple[Reached, ...]
    passed: bool
    reasons: tuple[str, ...]


class Drill(Struct, frozen=True):
    """What is tried: `name` for people, the `dark` loci, and the least continuity that passes.

    `live`: on the gateway that serves everybody.
    """

    name: str
    at: float
    dark: tuple[str, ...]
    deployments_dark: tuple[str, ...]
    owned: frozenset[str]
    held: Held
    least: float = 1.0
    live: bool = False


def requests_of(file: Path | None, sample: int | None) -> tuple[dict[str, Any], ...]:
    """Chat bodies of a file of JSON lines, or the bundled ones; the first `sample` of them.

    Each is made to say the same every time: temperature 0, a fixed seed, one answer, not streamed.
    Raises OperatorError with file and line.
    """
    if file is None:
        text = resources.files("situs.studies").joinpath(_PROMPTS).read_text("utf-8")
        name = "the bundled requests"
    else:
        try:
            text, name = file.read_text("utf-8"), str(file)
        except UnicodeDecodeError:
            raise OperatorError(f"{file}: not UTF-8", do="Save it as UTF-8.") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise OperatorError(f"{name}: no request", do="Write one chat request as JSON a line.")
    if len(lines) > _MOST_LINES:
        raise OperatorError(f"{name}: more than {_MOST_LINES} requests", do="Take a sample.")
    return tuple(_request(line, f"{name}:{number}") for number, line in lines[:sample])


def _request(line: str, where: str) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise OperatorError(f"{where}: no JSON object", do="Correct the line.") from None
    if not isinstance(body.get("messages"), list):
        raise OperatorError(f"{where}: no chat request: it has no list `messages`", do="Add it.")
    fixed = {"temperature": 0, "seed": _SEED, "stream": False, "n": 1}
    body.pop("stream_options", None)
    if "max_completion_tokens" not in body:
        body.setdefault("max_tokens", _MOST_TOKENS)
    return {"model": "auto", **body, **fixed}


def report(
    drill: Drill,
    normal: Sequence[Said],
    dark: Sequence[Said],
    reached: Sequence[Reached] = (),
) -> Report:
    """The verdict passes when work went on, owned answers and prices stayed, and nobody dark was
    reached.
    """
    before, after = _first(normal), _first(dark)
    answered = [place for place, said in before.items() if said.status == 200]
    kept = [place for place in answered if place in after and after[place].status == 200]
    same = [p for p in kept if before[p].deployment == after[p].deployment in drill.owned]
    failed = tuple(_failed(drill, after.get(p), p) for p in answered if p not in set(kept))
    changed = tuple(
        Changed(p + 1, after[p].deployment, before[p].answer[:16], after[p].answer[:16])
        for p in same
        if before[p].answer != after[p].answer
    )
    prices = tuple(
        Changed(p + 1, after[p].deployment, str(before[p].cost), str(after[p].cost))
        for p in same
        if before[p].cost != after[p].cost and before[p].usage == after[p].usage
    )
    continuity = len(kept) / len(answered) if answered else None
    reasons = tuple(_reasons(drill, continuity, changed, prices, reached))
    return Report(
        drill=drill.name,
        at=drill.at,
        dark=drill.dark,
        deployments_dark=drill.deployments_dark,
        held=drill.held,
        requests=len(before),
        asked_normal=len(normal),
        asked_dark=len(dark),
        answered_normal=sum(said.status == 200 for said in normal),
        answered_dark=sum(said.status == 200 for said in dark),
        continuity=continuity,
        normal=_latency(normal),
        in_dark=_latency(dark),
        moved=_moved(before, after, kept),
        failed=failed,
        answers_compared=len(same),
        answers_changed=changed,
        prices_changed=prices,
        reached=tuple(reached),
        passed=not reasons,
        reasons=reasons,
    )


def _first(run: Sequence[Said]) -> dict[int, Said]:
    """How each request went the first time, with a cold cache."""
    found: dict[int, Said] = {}
    for said in run:
        found.setdefault(said.place, said)
    return found


def _failed(drill: Drill, said: Said | None, place: int) -> Failed:
    if said is None:
        return Failed(place + 1, 0, "not_asked", "The run ended before it was asked.")
    return Failed(place + 1, said.status, said.code, _why(drill, said))


def _why(drill: Drill, said: Said) -> str:
    """What the gateway said, where what was dark is called so.

    Nobody is sent to the decisions of a drill's own gateway: they are gone with it.
    """
    told = said.message
    if not drill.live:
        told = re.sub(r"(?<=\.) [^.]*`situs decisions show .*", "", told)
    for name in map(re.escape, drill.deployments_dark):
        told = re.sub(rf"(?<![\w.-])({name}) \(unreachable\)", rf"\1: {_DARK}", told)
        told = re.sub(rf"(?<![\w.-])({name}: [^;)]*?)\bunhealthy\b", rf"\1{_DARK}", told)
    return told


def _moved(before: Mapping[int, Said], after: Mapping[int, Said], kept: Sequence[int]) -> Any:
    pairs = Counter(f"{before[p].deployment} -> {after[p].deployment}" for p in kept)
    return dict(pairs.most_common())


def _latency(run: Sequence[Said]) -> Latency:
    """By nearest rank."""
    times = sorted(said.seconds for said in run if said.status == 200)
    if not times:
        return Latency(None, None)

    def rank(share: float) -> float:
        return times[min(len(times) - 1, max(0, -int(-share * len(times) // 1) - 1))]

    return Latency(rank(0.5), rank(0.95))


def _reasons(
    drill: Drill,
    continuity: float | None,
    changed: Sequence[Changed],
    prices: Sequence[Changed],
    reached: Sequence[Reached],
) -> list[str]:
    reasons = []
    if continuity is None:
        reasons.append("nothing was answered in the normal run, so there is nothing to compare")
    elif continuity < drill.least:
        reasons.append(f"continuity is {continuity:.0%}, and {drill.least:.0%} is asked for")
    if changed:
        reasons.append(f"owned deployments gave {len(changed)} other answers")
    if prices:
        reasons.append(f"owned deployments had {len(prices)} other prices")
    if reached:
        reasons.append(f"{len(reached)} connections reached what should be dark")
    return reasons
