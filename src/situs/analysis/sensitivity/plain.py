"""URLs and dates: what no label follows from, looked for only when somebody asks.

An evaluation asks, and what rewrites a text may. Nothing of it runs for a decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from situs.analysis.sensitivity.people import MONTHS
from situs.core.label import Finding

_SCHEME = r"(?:https?|ftp|wss?)://[^\s<>\"'`{}|\\^\u3000-\uffef]{3,2048}"
_ENDINGS = (
    "com|org|net|edu|gov|mil|int|info|biz|name|io|ai|dev|app|co|me|tv|cc|xyz|online|site|shop|eu|uk"
    "|de|fr|nl|be|ch|at|it|es|pt|pl|cz|sk|hu|ro|bg|gr|se|no|dk|fi|ie|lt|lv|ee|si|hr|rs|ua|ru|tr|il"
    "|us|ca|mx|br|ar|cl|pe|uy|au|nz|jp|kr|cn|tw|hk|sg|my|th|vn|ph|np|pk|lk|za|ke|ng|eg|tn|ma|ae|sa"
)
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})"
_URL = (
    rf"(?i)(?<![\w@.])(?:{_SCHEME}|(?:{_LABEL}\.){{1,8}}(?:{_ENDINGS})(?![\w@-]|\.\w)"
    r"(?::[0-9]{2,5})?(?:/[^\s<>\"'`{}|\\^\u3000-\uffef]{0,2048})?)"
)
_TAIL = ".,;:!?)]*_~…"
_TIME = (
    r"(?:(?:T|,?\s(?:at\s)?)[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]+)?"
    r"(?:\s?[AaPp]\.?[Mm]\.?|Z)?)?"
)
_DATE = (
    rf"(?i)(?<![\w./-])(?:(?:19|20)[0-9]{{2}}([-/.])(?:0?[1-9]|1[0-2])\1(?:[12][0-9]|3[01]|0?[1-9])"
    rf"{_TIME}|(?:[12][0-9]|3[01]|0?[1-9])([-/.])(?:[12][0-9]|3[01]|0?[1-9])\2(?:(?:19|20)?[0-9]{{2}})"
    rf"{_TIME}|[0-9]{{1,2}}(?:st|nd|rd|th|\.)?\s(?:of\s|de\s)?{MONTHS},?\s(?:de\s)?(?:19|20)[0-9]{{2}}"
    rf"|{MONTHS}\s[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s(?:19|20)[0-9]{{2}}"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)(?![\w/-]|\.\w)"
)


def plain(text: str, part: int = 0) -> list[Finding]:
    """URLs (kind `url`) and dates (kind `date`) in order of place; they may touch each other."""
    return sorted([*_urls(text, part), *_dates(text, part)], key=lambda one: one.start)


def _urls(text: str, part: int) -> Iterator[Finding]:
    for match in _compiled(_URL).finditer(text):
        end = match.start() + len(match.group().rstrip(_TAIL))
        yield Finding("url", part, match.start(), end, 0.8, "url")


def _dates(text: str, part: int) -> Iterator[Finding]:
    for match in _compiled(_DATE).finditer(text):
        yield Finding("date", part, match.start(), match.end(), 0.6, "date")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """At the first use: it takes five milliseconds, and most processes need none."""
    return re.compile(pattern)
