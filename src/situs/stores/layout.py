"""Where receipts lie: `DATA/receipts/CHAIN/FIRST-SEQ.jsonl`, its `.salts`, and a `head.json`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from situs.stores.lines import Cited

HEAD_FILE = "head.json"
_DIGITS = 12
_BLOCK = 1 << 16


def receipts_dir(data_dir: Path) -> Path:
    return data_dir / "receipts"


def segment_path(chain_dir: Path, first: int) -> Path:
    return chain_dir / f"{first:0{_DIGITS}d}.jsonl"


def salts_path(chain_dir: Path, first: int) -> Path:
    return chain_dir / f"{first:0{_DIGITS}d}.salts"


def segments(chain_dir: Path) -> list[Path]:
    """The chain's segment files, oldest first."""
    return sorted(p for p in chain_dir.glob("*.jsonl") if p.stem.isdigit())


def chains(directory: Path) -> list[Path]:
    """The chains' folders, by the time of their first line; those without one come first."""
    if not directory.is_dir():
        return []
    folders = [p for p in directory.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return sorted(folders, key=lambda p: (_began(p), p.name))


def _began(chain_dir: Path) -> float:
    at = (first_line(chain_dir) or {}).get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def first_line(chain_dir: Path) -> dict[str, Any] | None:
    """The chain's first line, parsed; None when there is none or it is not JSON."""
    for path in segments(chain_dir)[:1]:
        with path.open("rb") as file:
            return parse(file.readline())
    return None


def parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
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


def tips(directory: Path) -> tuple[Cited, ...]:
    """The last whole line of every chain that no other chain cites yet.

    A chain that cannot be read is left out: it stays as it is, and `verify` reports it.
    """
    found: dict[str, Cited] = {}
    cited: set[str] = set()
    for folder in chains(directory):
        opening = first_line(folder) or {}
        cited.update(
            entry["chain"] for entry in opening.get("previous", []) if isinstance(entry, dict)
        )
        for path in reversed(segments(folder)):
            line = next(lines_backwards(path), None)
            if line is not None:
                seq = (parse(line) or {}).get("seq")
                if isinstance(seq, int):
                    found[folder.name] = Cited(folder.name, seq, sha256(line).hexdigest())
                break
    return tuple(tip for name, tip in found.items() if name not in cited)
