"""Reads what a GGUF file says about itself, without its weights.

Format: GGUF versions 2 and 3, little-endian (docs/gguf.md in ggml). Values of any length are read
only where the caller asks for their key; the others are skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from situs.errors import WeightsError

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_MOST = 1 << 24
"""No string is longer and no array has more entries; what says otherwise is broken."""


def metadata(path: Path, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """The values of all keys that are `wanted`. Raises WeightsError for what is no GGUF file."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise _broken(path, "it does not begin with GGUF")
            version, _, entries = struct.unpack("<IQQ", file.read(20))
            if version not in (2, 3) or entries > _MOST:
                raise _broken(path, "its version is not known")
            found = {}
            for _ in range(entries):
                key = _string(file)
                (kind,) = struct.unpack("<I", file.read(4))
                value = _value(file, kind)
                if wanted(key):
                    found[key] = value
            return found
    except OSError as problem:
        raise WeightsError(f"the weights at {path} cannot be read: {problem.strerror}") from None
    except (struct.error, ValueError, KeyError):
        raise _broken(path, "its metadata end early or hold what they must not") from None


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _numbers(file, kind, 1)[0]
    inner, count = struct.unpack("<IQ", file.read(12))
    if count > _MOST or inner == _ARRAY:
        raise ValueError("array")
    if inner == _STRING:
        return [_string(file) for _ in range(count)]
    return _numbers(file, inner, count)


def _numbers(file: BinaryIO, kind: int, count: int) -> list[Any]:
    letter = _NUMBERS[kind]
    return list(struct.unpack(f"<{count}{letter}", file.read(count * struct.calcsize(letter))))


def _string(file: BinaryIO) -> str:
    (size,) = struct.unpack("<Q", file.read(8))
    if size > _MOST:
        raise ValueError("string")
    data = file.read(size)
    if len(data) != size:
        raise ValueError("string")
    return data.decode("utf-8", "replace")


def _broken(path: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{path} is not a GGUF file that can be read: {why}.",
        do="Run `situs models verify`, or get the file again.",
    )
