"""What was used, summed over the ledger of the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from situs.core.record import UNLOGGED
from situs.stores.database import reading, told
from situs.stores.schema import COUNTED_SINCE, version_of

_GROUPS = {
    "deployment": "deployment",
    "tenant": "tenant",
    "key": "key",
    "locus": "locus",
    "label": "label",
    "route": "route",
    "day": "strftime('%Y-%m-%d', hour * 3600, 'unixepoch')",
    "hour": "strftime('%Y-%m-%dT%H:00Z', hour * 3600, 'unixepoch')",
}
GROUPS = tuple(_GROUPS)
"""What usage can be summed by; days and hours are UTC."""

_SUMS = (
    "count(*), sum(attempts > 0), sum(owned IS 1), total(prompt_tokens), "
    "total(cached_prompt_tokens), total(completion_tokens), sum(bytes_out), sum(bytes_in), "
)


class UsageRow(Struct, frozen=True):
    """What one group used. `group` is None for requests that have none, e.g. were sent nowhere.

    `sent` counts requests that were sent to a deployment, `owned` those whose last attempt was on
    an owned locus, `owned_share` is their part of `sent` (None: nothing was). Money is by currency.
    Of `counted` requests Situs counted the tokens itself, for nobody reported them.
    """

    group: str | None
    requests: int
    sent: int
    owned: int
    owned_share: float | None
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    bytes_out: int
    bytes_in: int
    cost: dict[str, float]
    saved: dict[str, float]
    counted: int = 0


def usage(
    index: Path, by: str = "deployment", since: float | None = None, until: float | None = None
) -> list[UsageRow]:
    """Requests that ended from `since` to before `until` (seconds since the epoch), by group.

    Times come in their order, other groups by the number of requests. Raises KeyError for a `by`
    that is not in GROUPS, StoreError when the index cannot be read.
    """
    where, values = ["1"], list[float]()
    for bound, sign in ((since, ">="), (until, "<")):
        if bound is not None:
            where.append(f"at {sign} ? AND hour {sign}{'' if sign == '>=' else '='} ?")
            values += [bound, int(bound // 3600)]
    group, during = _GROUPS[by], " AND ".join(where)
    money = (
        f"SELECT {group} AS grp, currency, total(cost), total(saved) FROM ledger "  # noqa: S608
        f"WHERE {during} AND currency IS NOT NULL GROUP BY grp, currency"
    )
    with told(index), reading(index) as db:
        db.execute("BEGIN")  # both see the same
        own = "sum(counted)" if version_of(db) >= COUNTED_SINCE else "0"
        sums = f"SELECT {group} AS grp, {_SUMS}{own} FROM ledger WHERE {during} GROUP BY grp"  # noqa: S608
        counted = db.execute(sums, values).fetchall()
        paid = db.execute(money, values).fetchall()
    rows = [_row(counts, [row for row in paid if row[0] == counts[0]]) for counts in counted]
    if by in ("day", "hour"):
        return sorted(rows, key=lambda row: row.group or "")
    return sorted(rows, key=lambda row: (-row.requests, row.group or ""))


def lengths(index: Path, limit: int = 100_000) -> list[tuple[str, str, int]]:
    """Id, task and completion tokens of the newest requests that were answered in full.

    The task is what the analysis took it for. Raises StoreError when the index cannot be read.
    """
    query = (
        "SELECT id, task, completion_tokens FROM ledger "
        "WHERE \"end\" = 'complete' AND status = 200 AND completion_tokens > 0 AND task <> ? "
        "ORDER BY at DESC LIMIT ?"
    )
    given = (UNLOGGED, limit)
    with told(index), reading(index) as db:
        return [(str(i), str(task), int(tokens)) for i, task, tokens in db.execute(query, given)]


def _row(counts: Sequence[Any], paid: Sequence[Sequence[Any]]) -> UsageRow:
    group, *numbers = counts
    requests, sent, owned, prompt, cached, completion, out, into, counted = (
        int(n or 0) for n in numbers
    )
    return UsageRow(
        group=group,
        requests=requests,
        sent=sent,
        owned=owned,
        owned_share=owned / sent if sent else None,
        prompt_tokens=prompt,
        cached_prompt_tokens=cached,
        completion_tokens=completion,
        bytes_out=out,
        bytes_in=into,
        cost={currency: _sum(cost) for _, currency, cost, _ in paid},
        saved={currency: _sum(saved) for _, currency, _, saved in paid},
        counted=counted,
    )


def _sum(amount: float) -> float:
    """Without what binary fractions leave behind, and without a negative zero."""
    return round(amount, 9) + 0.0
