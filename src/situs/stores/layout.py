"""Where receipts lie: `DATA/receipts/CHAIN/FIRST-SEQ.jsonl`, its `.salts`, and a `head.json`.

Of a retired segment only `FIRST-SEQ.root` is left. Folders whose names begin with a dot are chains
that are being made: they are nobody's business yet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from situs.stores.lines import Cited, Root, read_root

HEAD_FILE = "head.json"
_DIGITS = 12
_BLOCK = 1 << 16


def receipts_dir(data_dir: Path) -> Path:
    return data_dir / "receipts"


def segment_path(chain_dir: Path, first: int) -> Path:
    return chain_dir / f"{first:0{_DIGITS}d}.jsonl"


def salts_path(chain_dir: Path, first: int) -> Path:
    return chain_dir / f"{first:0{_DIGITS}d}.salts"


def root_path(chain_dir: Path, first: int) -> Path:
    return chain_dir / f"{first:0{_DIGITS}d}.root"


def segments(chain_dir: Path) -> list[Path]:
    """The chain's segment files, oldest first."""
    return _numbered(chain_dir, "*.jsonl")


def roots(chain_dir: Path) -> list[Path]:
    """The roots of the chain's retired segments, oldest first."""
    return _numbered(chain_dir, "*.root")


def pieces(chain_dir: Path) -> list[int]:
    """What the chain's segments begin with, the retired ones included, in order."""
    return sorted({int(path.stem) for path in (*segments(chain_dir), *roots(chain_dir))})


def _numbered(chain_dir: Path, pattern: str) -> list[Path]:
    return sorted(p for p in chain_dir.glob(pattern) if p.stem.isdigit())


def chain_folders(directory: Path) -> list[Path]:
    """The chains' folders in no order."""
    try:
        with os.scandir(directory) as entries:
            return [Path(e) for e in entries if not e.name.startswith(".") and e.is_dir()]
    except OSError:
        return []


def chains(directory: Path) -> list[Path]:
    """The chains' folders, by the time of their first line; those without one come first."""
    return sorted(chain_folders(directory), key=lambda p: (_began(p), p.name))


def _began(chain_dir: Path) -> float:
    for path in roots(chain_dir)[:1]:
        if (root := stated_root(path)) is not None:
            return root.began
    at = (first_line(chain_dir) or {}).get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def first_line(chain_dir: Path) -> dict[str, Any] | None:
    """The first line that the chain still has, parsed; None when there is none, or no JSON."""
    for path in segments(chain_dir)[:1]:
        with suppress(OSError), path.open("rb") as file:
            return parse(file.readline())
    return None


def stated_root(path: Path) -> Root | None:
    """What a root file says; its signature is not checked. None when it cannot be read."""
    try:
        return read_root(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def is_witness(chain_dir: Path) -> bool:
    """Whether the chain is one that only says where others stand."""
    opening = first_line(chain_dir)
    if opening is not None:
        return opening.get("witness") is True
    return any(root is not None and root.witness for root in map(stated_root, roots(chain_dir)))


def head(chain_dir: Path) -> Cited | None:
    """The newest durable checkpoint, as `head.json` has it; None when it has none of this chain."""
    try:
        line = (chain_dir / HEAD_FILE).read_bytes().rstrip(b"\n")
    except OSError:
        return None
    stated = parse(line) or {}
    seq = stated.get("seq")
    if not isinstance(seq, int) or stated.get("chain") != chain_dir.name:
        return None
    return Cited(chain_dir.name, seq, sha256(line).hexdigest())


def parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def lines_backwards(path: Path) -> Iterator[bytes]:
    """Complete lines of a file from the last to the first; a torn last line is left out."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        rest = b""
        complete = False
        while end > 0:
            begin = max(0, end - _BLOCK)
            file.seek(begin)
            pieces = (file.read(end - begin) + rest).split(b"\n")
            end = begin
            if not complete:
                complete = len(pieces) > 1
                rest = pieces[0] if not complete else rest
                pieces = pieces[:-1]
                if not complete:
                    continue
            yield from reversed(pieces[1:])
            rest = pieces[0]
        if complete:
            yield rest


def whole_lines_end(path: Path) -> int:
    """Where the last complete line of a file ends, in bytes."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - _BLOCK)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0


def cited(chain_dir: Path) -> Iterator[Cited]:
    """What the chain's first line cites, and what its roots say that the retired ones did."""
    for root in map(stated_root, roots(chain_dir)):
        yield from () if root is None else root.cites
    with suppress(msgspec.ValidationError, TypeError):
        previous = (first_line(chain_dir) or {}).get("previous") or ()
        yield from msgspec.convert(previous, tuple[Cited, ...])


def newest_cited(directory: Path) -> dict[str, int]:
    """By chain: up to which line other chains cite it when they begin."""
    newest: dict[str, int] = {}
    for folder in chains(directory):
        for line in cited(folder):
            newest[line.chain] = max(line.seq, newest.get(line.chain, -1))
    return newest


def tips(directory: Path) -> tuple[Cited, ...]:
    """The last whole line of every chain, unless another chain's beginning cites it already.

    A chain that cannot be read is left out: it stays as it is, and `verify` reports it.
    """
    known = newest_cited(directory)
    last = [line for folder in chains(directory) if (line := _last(folder)) is not None]
    return tuple(line for line in last if line.seq > known.get(line.chain, -1))


def _last(chain_dir: Path) -> Cited | None:
    for path in reversed(segments(chain_dir)):
        with suppress(OSError):
            if (line := next(lines_backwards(path), None)) is not None:
                seq = (parse(line) or {}).get("seq")
                digest = sha256(line).hexdigest()
                return Cited(chain_dir.name, seq, digest) if isinstance(seq, int) else None
    for root in map(stated_root, reversed(roots(chain_dir))):
        if root is not None:
            return Cited(chain_dir.name, root.first + root.lines - 1, root.last)
    return None
