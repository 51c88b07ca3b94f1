"""How many tokens a usual request has, from the ledger."""

from __future__ import annotations

from pathlib import Path

from situs.stores.database import INDEX_FILE, reading, told

_NEWEST = 10_000
_HOURS = 7 * 24
_LEAST = 100
_MEANS = """SELECT count(*), avg(prompt_tokens), avg(completion_tokens) FROM (
    SELECT prompt_tokens, completion_tokens FROM ledger
    WHERE hour >= ? AND prompt_tokens IS NOT NULL AND completion_tokens > 0
    ORDER BY hour DESC LIMIT ?
)"""


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
