"""What a model server prints: a file that cannot grow without bound, and its last lines."""

from __future__ import annotations

import contextlib
from pathlib import Path

_TAIL_BYTES = 8192

# What says why a server died, and holds source text at most. Anything else printed while serving
# may quote a request: llama.cpp prints a grammar that it cannot parse, at every log level.
_HARMLESS = (b"GGML_ASSERT(", b"Fatal Python error:")


class BoundedLog:
    """Owns `NAME.log` and the one before it, `NAME.log.1`; each at most `limit` bytes.

    Everything printed while loading is kept. From `serving` on only lines known to be free of
    content are; the others are counted.
    """

    def __init__(self, path: Path, limit: int = 1 << 20) -> None:
        self.path = path
        self._limit = limit
        self._tail = b""
        self._line: bytes | None = None  # the unfinished last line, while serving
        self._withheld = 0

    def loading(self) -> None:
        """A new process begins: what the last one said is no longer its tail."""
        self._tail, self._line, self._withheld = b"", None, 0

    def serving(self) -> None:
        """From now on requests can reach it."""
        if self._line is None:
            self._line = b""

    def write(self, data: bytes) -> None:
        """A disk that is full loses lines, it does not stop the server."""
        if self._line is not None:
            data = self._harmless(self._line + data)
        if not data:
            return
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        with contextlib.suppress(OSError):
            size = self.path.stat().st_size if self.path.exists() else 0
            if size and size + len(data) > self._limit:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
            with self.path.open("ab") as file:
                file.write(data[-self._limit :])

    def tail(self, lines: int = 8) -> str:
        """The last lines since `loading`, at most 2,000 characters."""
        text = self._tail.decode(errors="replace").strip()
        if self._withheld:
            text += f"\n({self._withheld} lines printed while serving were not kept)"
        return "\n".join(text.strip().splitlines()[-lines:])[-2000:]

    def _harmless(self, data: bytes) -> bytes:
        """Whole lines only; a line without an end is cut, since it is at most kept or counted."""
        *whole, last = data.splitlines(keepends=True) or [b""]
        if last.endswith(b"\n"):
            whole, last = [*whole, last], b""
        kept = [line for line in whole if line.startswith(_HARMLESS)]
        self._withheld += len(whole) - len(kept)
        self._line = last[:_TAIL_BYTES]
        return b"".join(kept)
