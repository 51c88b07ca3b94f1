"""An organisation's own words and patterns, as rows of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import re2

from situs.analysis.sensitivity.detector import Detector

SCORE = 0.9
_EDGE = r"[^\pL\pN_]"
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese letters."""


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
    found += [Detector(f"list:{kind}", kind, pattern, SCORE) for pattern in _any_of(keywords)]
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


def _any_of(keywords: Iterable[str]) -> tuple[str, ...]:
    """The longer ones first; between their words may be any space.

    In scripts that write no spaces a word has no edges.
    """
    each = sorted({" ".join(word.split()) for word in keywords}, key=lambda one: (-len(one), one))
    spaced = [one for one in each if not _UNSPACED.search(one)]
    found = []
    if spaced:
        found.append(rf"(?:^|{_EDGE})({'|'.join(map(_pattern, spaced))})(?:$|{_EDGE})")
    found += [f"({_pattern(one)})" for one in each if _UNSPACED.search(one)]
    return tuple(f"(?i){one}" for one in found)


def _pattern(keyword: str) -> str:
    return r"\s+".join(map(_quoted, keyword.split()))


def _quoted(word: str) -> str:
    return re.sub(r"([^\w\s])", r"\\\1", word, flags=re.ASCII) if word.isascii() else _spelt(word)


def _spelt(word: str) -> str:
    """RE2 takes no escaped letters beyond ASCII."""
    return "".join(char if char.isalnum() or ord(char) > 127 else f"\\{char}" for char in word)
