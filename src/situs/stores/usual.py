"""How many tokens requests and answers had lately, from the ledger."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import median_low

from situs.core.length import HIDDEN_A_SECOND, UNSENT, Answered
from situs.core.rating import kind_of
from situs.core.record import UNLOGGED
from situs.core.request import Principal
from situs.stores.database import INDEX_FILE, reading, told

_HOURS = 7 * 24
_LEAST = 100
_FARTHEST = 8.0
_NEWEST = """SELECT key, model, route, task, prompt, answer FROM (
    SELECT key, model, route, task, id,
        min(prompt_tokens, bytes_out + :unsent) AS prompt,
        min(completion_tokens, bytes_in + CAST(duration_s * :hidden AS INTEGER)) AS answer,
        row_number() OVER (PARTITION BY key ORDER BY at DESC) AS place
    FROM ledger
    WHERE hour >= :since AND "end" = 'complete' AND status = 200 AND completion_tokens > 0
        AND prompt_tokens IS NOT NULL AND task <> :task
) WHERE place <= :of_one ORDER BY place, id LIMIT :most"""
_GIVEN = {"unsent": UNSENT, "hidden": HIDDEN_A_SECOND, "of_one": 4_000, "most": 20_000}


def usual_tokens(data: Path, now: float) -> tuple[float, float] | None:
    """Mean tokens of prompt and answer of the newest requests of a week; None of less than 100.

    Each counts as at most eight times the median of keys, a key as no more than all others
    together, or than 100. `now` is wall time. Raises StoreError.
    """
    index = data / INDEX_FILE
    if not index.exists():
        return None
    since = int(now // 3600) - _HOURS
    with told(index), reading(index) as db:
        rows = db.execute(_NEWEST, {**_GIVEN, "since": since, "task": ""}).fetchall()
    if len(rows) < _LEAST:
        return None
    return _mean([(row[0], row[4]) for row in rows]), _mean([(row[0], row[5]) for row in rows])


def _mean(rows: list[tuple[str, int]]) -> float:
    by: dict[str, list[int]] = defaultdict(list)
    for key, tokens in rows:
        by[key].append(tokens)
    middle = median_low(sorted(median_low(one) for one in by.values()))
    most, total, whole = middle * _FARTHEST, 0.0, 0.0
    for those in by.values():
        weight = min(1.0, max(_LEAST, len(rows) - len(those)) / len(those))
        total += weight * sum(min(one, most) for one in those)
        whole += weight * len(those)
    return round(total / whole, 1)


def answer_lengths(data: Path, now: float) -> list[Answered]:
    """The whole answers of a week: the newest of each key first, 4,000 of one, 20,000 of all.

    Tokens are those of the reported that can be (`core.length.possible`). Of requests that are not
    to be logged, none. `now` is wall time. Raises StoreError.
    """
    index = data / INDEX_FILE
    if not index.exists():
        return []
    since = int(now // 3600) - _HOURS
    given = {**_GIVEN, "since": since, "task": UNLOGGED}
    with told(index), reading(index) as db:
        return [
            Answered(
                str(model),
                kind_of(route, task),
                int(tokens),
                "" if key == Principal().key else str(key),
            )
            for key, model, route, task, _, tokens in db.execute(_NEWEST, given)
        ]
