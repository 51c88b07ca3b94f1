"""Whether this gateway stands what upstreams do wrong: every way, wire and form, tried for real.

The cases are data (`failures.toml`). One gateway is started over deployments that fail, one or two
for each cell; the cells are tried at the same time, and what came of each is compared.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from situs.errors import OperatorError
from situs.studies.drill_run import tied
from situs.studies.failures_ask import Said, ask, fleet_health
from situs.studies.failures_upstream import MODEL, Upstream

_TEXT = "Which of the flowers in the old garden behind the house want water in the evening? " * 20
_LIMITS = {
    "connect_timeout_s": 3.0,
    "first_byte_timeout_s": 3.0,
    "answer_timeout_s": 3.0,
    "stall_timeout_s": 2.0,
    "stream_timeout_s": 3.0,
}
_SKEW_S = 3600.0
_GREETING = "Situs listens on "

WIRES: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": _TEXT}]},
    "completions": {"prompt": _TEXT},
    "embeddings": {"input": [_TEXT, "Roses."]},
}


class Outcome(Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller gets, and how each attempt ends in the receipt."""

    status: int
    ends: tuple[str, ...]
    code: str | None = None


class Then(Struct, frozen=True, forbid_unknown_fields=True):
    """An outcome by name, and the end of the attempt there."""

    then: str
    end: str = ""


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One way to fail. `health` is what the deployment is after so many (`after`) of these.

    `arrives`: the request gets there. `at_once` are asked at the same time, of two deployments.
    """

    what: str
    whole: Then
    stream: Then
    health: str
    after: int
    arrives: bool = True
    at_once: int = 1


class _Data(Struct, frozen=True, forbid_unknown_fields=True):
    outcomes: dict[str, dict[Literal["alone", "second"], Outcome]]
    cases: dict[str, Case]


class Cell(Struct, frozen=True):
    """One case on one wire, streamed or not, with or without somebody else to ask."""

    case: str
    wire: str
    stream: bool
    second: bool
    expected: Outcome
    health: str | None
    after: int
    arrives: bool
    at_once: int

    @property
    def name(self) -> str:
        form = "stream" if self.stream else "whole"
        return f"{self.case}-{self.wire}-{form}-{'second' if self.second else 'alone'}"


class Row(Struct, frozen=True):
    """What came of one cell; without `faults` it is as it should be."""

    cell: Cell
    faults: tuple[str, ...]


def read_cases(text: str | None = None) -> _Data:
    """The cases of `failures.toml`."""
    if text is None:
        text = (resources.files("situs.studies") / "failures.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Data)


def cells(data: _Data) -> list[Cell]:
    """Every case on every wire; embeddings are never streamed, so asking for that is refused."""
    found = []
    forms = itertools.product(data.cases.items(), WIRES, (False, True), (False, True))
    for (name, case), wire, stream, second in forms:
        never = stream and wire == "embeddings"
        then = Then("refused") if never else case.stream if stream else case.whole
        outcome = data.outcomes[then.then]["second" if second else "alone"]
        ends = tuple(then.end if end == "END" else end for end in outcome.ends)
        alone = not second and not never
        cell = Cell(
            case=name,
            wire=wire,
            stream=stream,
            second=second,
            expected=Outcome(outcome.status, ends, outcome.code),
            health=case.health if alone else None,
            after=case.after if alone else 1,
            arrives=case.arrives and not never,
            at_once=case.at_once if second else 1,
        )
        found.append(cell)
    return found


def configuration(of: Sequence[Cell], upstream: Upstream) -> dict[str, Any]:
    """A fleet in which each cell has a model of its own, and a standby where it has a second."""
    locus = {"kind": "public_cloud", "jurisdiction": "AU", "owned": False, "retention": "none"}
    models, deployments = {}, {}
    for cell in of:
        models[cell.name] = {
            "capability": "frontier",
            "context_tokens": 100_000,
            "serves": ["chat", "completions", "embeddings"],
        }
        deployments[f"{cell.name}-1"] = _deployment(cell, upstream.url(cell.case, cell.name))
        if cell.second:
            standby = _deployment(cell, upstream.url("well", f"{cell.name}-2"))
            deployments[f"{cell.name}-2"] = {**standby, "role": "standby"}
    return {
        "version": 1,
        "home": "AU",
        "defaults": _LIMITS,
        "loci": {"elsewhere": {**locus, "operator": "nobody", "training_use": "none"}},
        "models": models,
        "deployments": deployments,
    }


def _deployment(cell: Cell, url: str) -> dict[str, Any]:
    endpoint = {"url": url, "model": MODEL, "insecure": url.startswith("http://no-such")}
    return {"model": cell.name, "locus": "elsewhere", "endpoint": endpoint}


def run(of: Sequence[Cell]) -> list[Row]:
    """Tries the cells on a gateway of its own. Raises OperatorError when that does not start."""
    with tempfile.TemporaryDirectory() as directory, Upstream() as upstream:
        place = Path(directory)
        file = place / "situs.yaml"
        file.write_bytes(msgspec.json.encode(configuration(of, upstream)))  # JSON is YAML
        with serving(file, place / "data") as url:
            with ThreadPoolExecutor(max_workers=64) as pool:
                slow = sorted(of, key=lambda cell: cell.case not in _SLOW)
                tried = dict(zip(slow, pool.map(lambda cell: _try(cell, url), slow), strict=True))
            ids = {said.id for each, _ in tried.values() for said in each if said.id}
            receipts = _outcomes(place / "data", ids)
        return [Row(cell, tuple(_faults(cell, *tried[cell], receipts, upstream))) for cell in of]


_SLOW = frozenset({"silent", "stall", "slow_loris", "endless"})


def _try(cell: Cell, url: str) -> tuple[list[Said], str | None]:
    """The answers, and the health of the deployment afterwards."""
    document = {"model": cell.name, **WIRES[cell.wire]} | ({"stream": True} if cell.stream else {})
    if cell.at_once > 1:
        with ThreadPoolExecutor(max_workers=cell.at_once) as pool:
            said = list(pool.map(lambda _: ask(url, cell.wire, document), range(cell.at_once)))
    else:
        said = [ask(url, cell.wire, document) for _ in range(cell.after)]
    return said, None if cell.health is None else fleet_health(url, f"{cell.name}-1")


def _faults(
    cell: Cell,
    each: list[Said],
    health: str | None,
    receipts: dict[str, dict[str, Any]],
    upstream: Upstream,
) -> Iterator[str]:
    """Everything that is not as it should be."""
    for said in each:
        yield from _said_wrong(cell, said)
        if cell.expected.ends:
            yield from _recorded_wrong(cell, receipts.get(said.id), stormed=cell.at_once > 1)
    if cell.health is not None and health not in (cell.health, _AFTERWARDS.get(cell.health)):
        yield f"health {health}, not {cell.health}"
    arrived, most = upstream.received[cell.name], len(each)
    if not cell.arrives and arrived:
        yield f"{arrived} requests arrived, where none can"
    if cell.arrives and (arrived > most or (arrived < most and cell.at_once == 1)):
        yield f"{arrived} requests arrived of {most}"


_AFTERWARDS = {"unhealthy": "stale", "limited": "stale"}
"""What a deployment is that was shut, once it may be tried again."""


def _said_wrong(cell: Cell, said: Said) -> Iterator[str]:
    expected = cell.expected
    if (said.status, said.code) != (expected.status, expected.code):
        yield f"{said.status} {said.code}, not {expected.status} {expected.code}"
    if expected.code is None and not said.whole:
        yield "the answer is not whole"
    if expected.code is not None and said.done:
        yield "a stream that broke looks clean"


def _recorded_wrong(cell: Cell, outcome: dict[str, Any] | None, stormed: bool) -> Iterator[str]:
    if outcome is None:
        yield "no receipt"
        return
    ends = tuple(attempt["end"] for attempt in outcome["attempts"])
    known = {cell.expected.ends, cell.expected.ends[1:]} if stormed else {cell.expected.ends}
    if ends not in known:
        yield f"attempts {ends}, not {cell.expected.ends}"
        return
    last = outcome["attempts"][-1]
    if bool(last.get("other_model")) != (cell.case == "wrong_model"):
        yield "the receipt is wrong about the model"
    if ends[-1] == "complete" and (outcome.get("usage") is None) != (cell.case == "no_usage"):
        yield "the receipt is wrong about the tokens"
    if abs(outcome["at"] - time.time()) > _SKEW_S:
        yield "the receipt has another clock"


def _outcomes(data: Path, ids: set[str]) -> dict[str, dict[str, Any]]:
    """The receipts of how these requests ended; they are written a moment after the answers."""
    until = time.monotonic() + 10.0
    while True:
        lines = (
            msgspec.json.decode(line)
            for file in sorted((data / "receipts").glob("*/*.jsonl"))
            for line in file.read_bytes().splitlines()
        )
        found = {line["id"]: line for line in lines if line["type"] == "outcome"}
        if ids <= found.keys() or time.monotonic() > until:
            return found
        time.sleep(0.1)


@contextmanager
def serving(config: Path, data: Path) -> Iterator[str]:
    """A gateway: its base URL while it runs. It dies with this process."""
    serve = ("serve", "--config", str(config), "--data", str(data), "--port", "0")
    command = tied(sys.executable, "-P", "-m", "situs.cli.main", *serve)
    log = config.with_suffix(".log")
    with (
        log.open("wb") as said,
        subprocess.Popen(  # noqa: S603 - our own program
            command, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process,
    ):
        try:
            lines = iter(process.stdout or ())
            greeting = next((line for line in lines if line.startswith(_GREETING)), None)
            if greeting is None:
                last = log.read_text("utf-8", errors="replace").strip()[-500:]
                raise OperatorError(f"the gateway of the suite did not start: {last}")
            yield greeting.split()[3].rstrip(";")
        finally:
            process.terminate()
            try:
                process.wait(30.0)
            except subprocess.TimeoutExpired:
                process.kill()
