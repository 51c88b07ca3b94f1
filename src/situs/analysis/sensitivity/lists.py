"""An organisation's own words and patterns, as rows of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import re2

from situs.analysis.sensitivity.detector import Detector

SCORE = 0.9
_EDGE = r"[^\pL\pN_]"


def rows(kind: str, keywords: Sequence[str], patterns: Sequence[str]) -> tuple[Detector, ...]:
    """The detectors of one list: whole words in any case, and RE2 patterns as they are.

    Raises ValueError for a pattern that `problem` refuses.
    """
    for pattern in patterns:
        if said := problem(pattern):
            raise ValueError(said)
    found = [
        Detector(f"list:{kind}:{place}", kind, f"({pattern})", SCORE)
        for place, pattern in enumerate(patterns)
    ]
    if keywords:
        found.append(Detector(f"list:{kind}", kind, _any_of(keywords), SCORE))
    return tuple(found)


def problem(pattern: str) -> str | None:
    """Why a pattern cannot be used, without quoting it; None if it can."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return f"not an RE2 expression: {reason.partition(':')[0]}"
    if compiled.fullmatch(b"") is not None:
        return "matches the empty text"
    return None


def _any_of(keywords: Iterable[str]) -> str:
    """The longer ones first; between their words may be any space."""
    each = sorted({" ".join(word.split()) for word in keywords}, key=lambda one: (-len(one), one))
    parts = (r"\s+".join(map(_quoted, word.split())) for word in each)
    return rf"(?i)(?:^|{_EDGE})({'|'.join(parts)})(?:$|{_EDGE})"


def _quoted(word: str) -> str:
    return re.sub(r"([^\w\s])", r"\\\1", word, flags=re.ASCII) if word.isascii() else _spelt(word)


def _spelt(word: str) -> str:
    """RE2 takes no escaped letters beyond ASCII."""
    return "".join(char if char.isalnum() or ord(char) > 127 else f"\\{char}" for char in word)
