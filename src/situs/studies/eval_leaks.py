"""How often what is sensitive would have left owned loci under a policy: `situs eval leaks`.

The decision alone is asked, and what obligations make of a request; nothing is sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import as_file, files
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.decide import decide
from situs.dispatch.obliged import HOLD, obliged_steps
from situs.errors import ConfigError, OperatorError, SitusError
from situs.studies.rows import rows as rows_of

Row = Mapping[str, Any]
Parse = Callable[[bytes, str], Request]
"""The request in a body, under this id; raises SitusError for what is none."""

FIELDS: Final = (("sensitive",), ("text", "messages", "document", "kinds", "values"))
"""Those a row must have and those it may have: exactly one of the first three of these."""

NAMES: Final = frozenset({"person", "address", "organisation", "location"})
"""Kinds without a format: a rate near zero is a hope, not a promise."""

CUT: Final = "\N{BROKEN BAR}"
"""Stands within every secret of the bundled file, so that no scanner takes it for a live one."""

_KEY = b"situs eval leaks"
_SHOWN = 50


def bundled() -> list[dict[str, Any]]:
    """The rows that come with Situs, put together; `at` is their line."""
    with as_file(files("situs.studies") / "leaks.jsonl") as path:
        return [
            {**_joined(row), "at": f"{path.name}:{row['at'].rpartition(':')[2]}"}
            for row in rows_of(path, *FIELDS)
        ]


def evaluate(rows: Sequence[Row], parse: Parse, snapshot: Snapshot, now: float) -> dict[str, Any]:
    """The figures: rates with their bounds (95 %, Clopper and Pearson 1934), and which rows left.

    A sensitive row has left if some place that is not owned is in the ranking and would be sent the
    request as it came, or still one of the row's `values`. Raises OperatorError where every place
    is owned, ConfigError for a row that is no request.
    """
    outside = frozenset(d.name for d in snapshot.fleet.deployments if not d.locus.owned)
    if not outside:
        raise OperatorError(
            "All loci are owned, so nothing could leave and no rate would mean anything.",
            do="Name a configuration with a locus that is not (--config).",
        )
    tally = _Tally()
    for number, row in enumerate(rows, 1):
        request = _request(row, number, parse)
        sent = leaving(request, snapshot, outside, now)
        if row["sensitive"]:
            kinds = frozenset(row.get("kinds") or ("unnamed",))
            tally.add(row, kinds, any(_holds(one, request, row) for one in sent))
        else:
            tally.clean(bool(sent))
    return {"rows": len(rows), **tally.figures()}


def leaving(
    request: Request, snapshot: Snapshot, outside: frozenset[str], now: float
) -> list[Request]:
    """What would be sent to each of these places, none of which waits for a person first."""
    decision = decide(request, snapshot, now)
    steps, _ = obliged_steps(request, decision, snapshot, _KEY)
    return [
        step.request
        for step in steps
        if step.deployment.name in outside and HOLD not in step.applied
    ]


def interval(part: int, whole: int, sure: float = 0.95) -> tuple[float, float]:
    """Where a share lies of which `part` of `whole` were seen (Clopper and Pearson 1934)."""
    if not whole:
        return 0.0, 1.0
    return 1 - _upper(whole - part, whole, sure), _upper(part, whole, sure)


def _upper(part: int, whole: int, sure: float) -> float:
    """The share at which seeing so few or fewer is as improbable as `sure` allows."""
    if part >= whole:
        return 1.0
    seen = np.arange(part + 1)
    chances = np.array(
        [-math.lgamma(one + 1) - math.lgamma(whole - one + 1) for one in range(part + 1)]
    ) + math.lgamma(whole + 1)
    low, high = 0.0, 1.0
    for _ in range(50):
        share = (low + high) / 2
        terms = chances + seen * math.log(share) + (whole - seen) * math.log1p(-share)
        if float(np.exp(terms).sum()) > (1 - sure) / 2:
            low = share
        else:
            high = share
    return high


def _request(row: Row, number: int, parse: Parse) -> Request:
    at = row.get("at", f"row {number}")
    given = [name for name in ("text", "messages", "document") if row.get(name) is not None]
    if len(given) != 1:
        raise ConfigError(f"{at}: needs exactly one of text, messages and document.", do="")
    document = row.get("document")
    if document is None:
        text, said = row.get("text"), row.get("messages")
        document = {"messages": [{"role": "user", "content": text}] if said is None else said}
    body = msgspec.json.encode({"model": "auto", **document})
    try:
        return parse(body, f"row_{number}")
    except SitusError as error:
        raise ConfigError(f"{at}: no request: {error.message}", do="") from None


def _holds(sent: Request, request: Request, row: Row) -> bool:
    """Whether what is sent holds a value of the row; letters and digits count, however written."""
    values = row.get("values")
    if sent is request or not values:
        return True
    whole = _bare("".join(text.text for text in sent.texts))
    return any(_bare(value) in whole for value in values)


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _joined(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(CUT, "")
    if isinstance(value, dict):
        return {_joined(key): _joined(inner) for key, inner in value.items()}
    return [_joined(one) for one in value] if isinstance(value, list) else value


class _Count(Struct):
    rows: int = 0
    left: int = 0

    def add(self, left: bool) -> None:
        self.rows += 1
        self.left += left

    def figures(self) -> dict[str, Any]:
        low, high = interval(self.left, self.rows)
        rate = self.left / self.rows if self.rows else None
        return {"rows": self.rows, "left": self.left, "rate": rate, "low": low, "high": high}


class _Tally:
    """The counts over all rows. A row whose kinds are all names is of the names."""

    def __init__(self) -> None:
        self._of = {"structured": _Count(), "names": _Count(), "clean": _Count()}
        self._by_kind: dict[str, _Count] = {}
        self._at: list[str] = []

    def add(self, row: Row, kinds: Iterable[str], left: bool) -> None:
        self._of["names" if NAMES.issuperset(kinds) else "structured"].add(left)
        for kind in kinds:
            self._by_kind.setdefault(kind, _Count()).add(left)
        if left:
            self._at.append(str(row.get("at", "")))

    def clean(self, left: bool) -> None:
        self._of["clean"].add(left)

    def figures(self) -> dict[str, Any]:
        return {
            "groups": {name: count.figures() for name, count in self._of.items()},
            "by_kind": {kind: one.figures() for kind, one in sorted(self._by_kind.items())},
            "left_at": self._at[:_SHOWN],
        }


def over(figures: Mapping[str, Any], most: Mapping[str, float], least_clean: float) -> list[str]:
    """What is worse than allowed, in words: `most` is the highest rate for each group."""
    groups = figures["groups"]
    found = [
        f"{name}: {groups[name]['left']} of {groups[name]['rows']} would have left"
        for name, rate in most.items()
        if (groups[name]["rate"] or 0.0) > rate
    ]
    clean = groups["clean"]
    if clean["rows"] and clean["rate"] < least_clean:
        found.append(f"clean: only {clean['left']} of {clean['rows']} may leave")
    return found
