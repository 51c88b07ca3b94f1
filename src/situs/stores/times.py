"""How long deployments take, as learned: `DATA/times.json`, which the gateway writes for its next
start.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
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


_decode = msgspec.json.Decoder(_File).decode
_decode_times = msgspec.json.Decoder(dict[str, Kept]).decode


def read_times(data: Path) -> dict[str, Kept]:
    """By deployment. Raises StoreError for a file that is not as it was written."""
    path = data / FILE
    try:
        file = _decode(path.read_bytes())
        if sha256(file.times).hexdigest() == file.sha256:
            return _decode_times(file.times)
        why = "another digest"
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = type(error).__name__
    raise StoreError(f"{path} cannot be read ({why}).", do="It is written anew within minutes.")


def write_times(data: Path, times: Mapping[str, Kept]) -> None:
    """All at once, in place of what was there. Raises StoreError."""
    path = data / FILE
    raw = msgspec.json.encode(times, order="sorted")
    file = _File(1, sha256(raw).hexdigest(), msgspec.Raw(raw))
    try:
        put_in_place(path, msgspec.json.encode(file) + b"\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
