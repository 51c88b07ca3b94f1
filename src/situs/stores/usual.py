"""How many tokens requests and answers had lately, from the ledger."""

from __future__ import annotations

from pathlib import Path

from situs.core.length import Answered
from situs.core.rating import kind_of
from situs.core.record import UNLOGGED, End
from situs.core.request import Principal
from situs.stores.database import INDEX_FILE, reading, told

_NEWEST = 10_000
_HOURS = 7 * 24
_LEAST = 100
_MEANS = """SELECT count(*), avg(prompt_tokens), avg(completion_tokens) FROM (
    SELECT prompt_tokens, completion_tokens FROM ledger
    WHERE hour >= ? AND "end" = 'complete' AND prompt_tokens IS NOT NULL AND completion_tokens > 0
    ORDER BY hour DESC LIMIT ?
)"""
_ANSWERS_OF_ONE, _ANSWERS = 4_000, 20_000
_LENGTHS = """SELECT model, route, task, completion_tokens, key FROM (
    SELECT model, route, task, completion_tokens, key, id,
        row_number() OVER (PARTITION BY key ORDER BY at DESC) AS place
    FROM (
        SELECT * FROM ledger
        WHERE hour >= ? AND "end" = ? AND status = 200 AND completion_tokens > 0 AND task <> ?
        ORDER BY hour DESC LIMIT ?
    )
) WHERE place <= ? ORDER BY id"""


def usual_tokens(data: Path, now: float) -> tuple[float, float] | None:
    """Mean tokens of prompt and answer of the newest requests of a week; None of less than 100.

    `now` is wall time. Raises StoreError.
    """
    index = data / INDEX_FILE
    if not index.exists():
        return None
    with told(index), reading(index) as db:
        count, prompt, answer = db.execute(_MEANS, (int(now // 3600) - _HOURS, _NEWEST)).fetchone()
    return (round(prompt, 1), round(answer, 1)) if count >= _LEAST else None


def answer_lengths(data: Path, now: float) -> list[Answered]:
    """The newest whole answers of a week: 20,000 of all, of which 4,000 of one key are counted.

    Of requests that are not to be logged, none. `now` is wall time. Raises StoreError.
    """
    index = data / INDEX_FILE
    if not index.exists():
        return []
    since = int(now // 3600) - _HOURS
    given = (since, End.COMPLETE.value, UNLOGGED, _ANSWERS, _ANSWERS_OF_ONE)
    with told(index), reading(index) as db:
        return [
            Answered(
                str(model),
                kind_of(route, task),
                int(tokens),
                "" if key == Principal().key else str(key),
            )
            for model, route, task, tokens, key in db.execute(_LENGTHS, given)
        ]
