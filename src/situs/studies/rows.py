"""Labelled rows from a file of JSON lines, plain or gzip, checked before anything is computed."""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NoReturn, TypeGuard

from situs.errors import ConfigError

_GZIP = b"\x1f\x8b"
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_DO = "Correct the file: one JSON object a line, in UTF-8; docs/reference/eval.md names the fields."


def rows(
    path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The rows of a file, with the fields asked for and no others, and `at`: its FILE:LINE.

    The file may be a pipe. A field `a|b` may be called by either name and is given by the first.
    An optional field that is missing or null is None. Empty lines are skipped. A lone surrogate
    becomes U+FFFD, one for one, so offsets stay. Raises ConfigError, with file and line and without
    content, for what is no UTF-8, no JSON object, lacks a field or has the wrong type, and for a
    file without rows.
    """
    names = [(field.split("|"), field in needed) for field in (*needed, *optional)]
    found = []
    for number, row in _objects(path):
        at = f"{path}:{number}"
        kept: dict[str, Any] = {"at": at}
        for aliases, must in names:
            kept[aliases[0]] = _field(row, aliases, must, at)
        found.append(kept)
    if not found:
        raise ConfigError(f"{path} holds no rows.", do=_DO)
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file as they are, such as those of a log. Raises as `rows` does."""
    found = [row for _, row in _objects(path)]
    if not found:
        raise ConfigError(f"{path} holds no rows.", do=_DO)
    return found


def table(path: Path) -> dict[str, str]:
    """One JSON object from strings to strings, such as a map of labels. Raises ConfigError."""
    try:
        value = _object(path.read_bytes(), str(path))
    except OSError as error:
        raise _unreadable(path, error) from None
    if not all(isinstance(one, str) for one in value.values()):
        raise ConfigError(f"{path}: expected an object from strings to strings.", do="")
    return value


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered lines that are not empty, each one a JSON object."""
    number = 0
    try:
        whole = path.read_bytes()
        raw = BytesIO(whole)
        lines = gzip.GzipFile(fileobj=raw) if whole.startswith(_GZIP) else raw
        for number, line in enumerate(lines, 1):
            data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if data.strip():
                yield number, _object(data, f"{path}:{number}")
    except (EOFError, gzip.BadGzipFile, zlib.error):
        _refuse(f"{path}:{number + 1}", "the gzip data is cut off or damaged")
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ConfigError:
    why = error.strerror or type(error).__name__
    return ConfigError(f"{path} cannot be read: {why}.", do="Check the path and who may read it.")


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError:
        _refuse(where, "is not UTF-8")
    except (ValueError, RecursionError):
        _refuse(where, "is not JSON")
    if not isinstance(value, dict):
        _refuse(where, f"expected a JSON object, found {_kind(value)}")
    return value


def _no_number(_: str) -> NoReturn:
    """NaN and Infinity are not JSON."""
    raise ValueError


def _field(row: dict[str, Any], aliases: list[str], must: bool, where: str) -> Any:
    name = next((alias for alias in aliases if alias in row), None)
    if name is None:
        if must:
            _refuse(where, f"the field {' or '.join(aliases)} is missing")
        return None
    value = row[name]
    if value is None and not must:
        return None
    what, good = _FIELDS[aliases[0]]
    if not good(value):
        _refuse(where, f"{name}: expected {what}, found {_kind(value)}")
    return _SURROGATE.sub(_REPLACED, value) if isinstance(value, str) else value


def _refuse(where: str, what: str) -> NoReturn:
    raise ConfigError(f"{where}: {what}.", do=_DO) from None


def _kind(value: object) -> str:
    """What JSON calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array" if value else "an empty array"
    return "an object"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_score(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _is_span(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    start, end = value.get("start"), value.get("end")
    return _is_count(start) and _is_count(end) and start < end and _is_text(value.get("type"))


def _all_are(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


_TEXT: Final = ("a string", _is_text)
_SCORE: Final = ("true, false or a number", _is_score)
_FIELDS: Final[dict[str, tuple[str, Callable[[object], bool]]]] = {
    "text": _TEXT,
    "label": ("a string or null", lambda value: value is None or _is_text(value)),
    "kind": _TEXT,
    "family": _TEXT,
    "tokens": ("a whole number that is not negative", _is_count),
    "prompt": _TEXT,
    "model": _TEXT,
    "correct": _SCORE,
    "strong_correct": _SCORE,
    "weak_correct": _SCORE,
    "sensitive": ("true or false", lambda value: isinstance(value, bool)),
    "messages": ("an array of objects", lambda value: _all_are(value, dict)),
    "document": ("an object", lambda value: isinstance(value, dict)),
    "response": ("an object", lambda value: isinstance(value, dict)),
    "task": _TEXT,
    "answer": _TEXT,
    "kinds": ("an array of strings", lambda value: _all_are(value, str)),
    "values": ("an array of strings", lambda value: _all_are(value, str)),
    "spans": (
        "an array of objects with start < end (whole numbers) and type (a string)",
        lambda value: isinstance(value, list) and all(map(_is_span, value)),
    ),
}
