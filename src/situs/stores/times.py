"""How long deployments take, as learned: `DATA/times.json`, which the gateway writes for its next
start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import msgspec
from msgspec import Struct

from situs.errors import StoreError
from situs.placement.latency import Learned
from situs.stores.chain import put_in_place

FILE = "times.json"


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """What was learned of a deployment, and when an answer last taught it (wall time).

    `of` is a digest of what it was then: of another one it says nothing.
    """

    of: str
    at: float
    learned: Learned


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """`sha256` is that of the bytes of `times`, in hex."""

    version: Literal[1]
    sha256: str
    times: msgspec.Raw


class _Version(Struct, frozen=True):
    version: int = 0


_decode = msgspec.json.Decoder(_File).decode
_decode_times = msgspec.json.Decoder(dict[str, Kept]).decode
_MOST = 64 * 1024 * 1024
_ANEW = "A gateway that runs writes it anew within minutes; what was in it is learned again."
_AWAY = "Move it away: there the gateway keeps what it learned."


def read_times(data: Path) -> dict[str, Kept]:
    """By deployment. Raises StoreError for a file that is not as it was written."""
    path = data / FILE
    raw = _bytes(path)
    if raw is None:
        return {}
    try:
        file = _decode(raw)
        if sha256(file.times).hexdigest() == file.sha256:
            return _decode_times(file.times)
        why = "it was changed: its digest is another"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        version = _version(raw)
        why = "it is not as it was written" if version == 1 else f"it is of version {version}"
    raise StoreError(f"{path} cannot be read: {why}.", do=_ANEW)


def _bytes(path: Path) -> bytes | None:
    """None where there is none. Raises StoreError for what is no regular file."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StoreError(f"{path} is no file.", do=_ANEW)
            return file.read(_MOST)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise StoreError(f"{path} is a directory.", do=_AWAY) from None
    except OSError as error:
        do = "See that it is a file that the user of the gateway can read and write."
        raise StoreError(f"{path} cannot be read: {error.strerror}.", do=do) from error


def _at_once(path: str, flags: int) -> int:
    """Does not wait for who writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _version(raw: bytes) -> int:
    """1 also where nothing can be read."""
    try:
        return msgspec.json.decode(raw, type=_Version).version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 1


def write_times(data: Path, times: Mapping[str, Kept]) -> None:
    """All at once, in place of what was there. Raises StoreError."""
    path = data / FILE
    raw = msgspec.json.encode(times, order="sorted")
    file = _File(1, sha256(raw).hexdigest(), msgspec.Raw(raw))
    try:
        put_in_place(path, msgspec.json.encode(file) + b"\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
