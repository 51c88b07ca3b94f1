"""Pilots that were rolled back: `DATA/pilots.json`, written by the gateway, emptied by operators.

What stands there holds until somebody resets it, whatever is restarted or reloaded meanwhile.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from situs.errors import StoreError
from situs.stores.chain import put_in_place

FILE = "pilots.json"


class RollBack(Struct, frozen=True):
    """Why a pilot ended: the figures of both groups, of so many requests each. `at`: wall time."""

    at: float
    metric: str
    pilot: float
    baseline: float
    pilot_requests: int
    baseline_requests: int


class _Kept(Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    rolled_back: dict[str, RollBack]


_decode = msgspec.json.Decoder(_Kept).decode


def rolled_back(data: Path) -> dict[str, RollBack]:
    """By scope (`routes.billing`). Raises StoreError: then no pilot can be known to be sound."""
    try:
        return _decode((data / FILE).read_bytes()).rolled_back
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{data / FILE} cannot be read ({type(error).__name__}).",
            do=f"Correct or remove {FILE}; without it every pilot runs again.",
        ) from None


def roll_back(data: Path, scope: str, why: RollBack) -> None:
    """Durable on return. Raises StoreError."""
    with _writing(data) as known:
        known[scope] = why


def reset(data: Path, scope: str) -> bool:
    """The pilot may run again; False: it was not rolled back. Raises StoreError."""
    with _writing(data) as known:
        return known.pop(scope, None) is not None


def signature(data: Path) -> tuple[int, ...] | None:
    """Differs once the file was written; None where there is none."""
    try:
        stat = (data / FILE).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@contextmanager
def _writing(data: Path) -> Iterator[dict[str, RollBack]]:
    """One at a time; what is left in the table is written."""
    if not data.is_dir():
        raise StoreError(f"There is no data directory {data}.", do="Correct --data.")
    path = data / FILE
    try:
        with (data / f"{FILE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = rolled_back(data)
            before = dict(known)
            yield known
            if known == before:
                return
            put_in_place(path, msgspec.json.format(msgspec.json.encode(_Kept(1, known))) + b"\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
