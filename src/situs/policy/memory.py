"""What a loaded policy has already answered, bounded."""

from __future__ import annotations

from typing import Any


class Memory:
    """Keeps the most recently used `limit` values; the oldest goes first.

    It changes how long an answer takes, never the answer: a key holds everything the value
    depends on.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._values: dict[bytes, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: bytes) -> Any | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: bytes, value: Any) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._limit:
            del self._values[next(iter(self._values))]
