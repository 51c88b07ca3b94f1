"""Numbering plans: whether a telephone number can be one, by the data of phonenumbers.

That library tries the kinds of number of each region in turn, in 20 to 60 microseconds. Here all
kinds of all regions of a country code are one expression; what is not plain is asked there.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import re2
from msgspec import Struct

_GAPS = re.compile("[^0-9]+")
_KINDS = (
    *("premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan"),
    *("voicemail", "fixed_line", "mobile"),
)
_WORLD = "001"
"""The region of country codes that belong to no country."""


class _Plan(Struct, frozen=True):
    """`prefix` is what may stand before a national number and does not belong to it."""

    prefix: re.Pattern[str] | None
    valid: Any
    lengths: frozenset[int]


def is_planned(text: str) -> bool | None:
    """True for a valid number, None for one that could be; else False.

    `text` is international (`+` or `00` in front), or of the United States. The plans are read at
    the first use of their country's.
    """
    plain = text.isascii() and text.upper() == text and "/" not in text
    digits = _GAPS.sub("", text)
    code, national = _parted(digits, text) if plain else (0, "")
    plan = _plan(code) if code else None
    if plan is None or (plan.prefix is not None and plan.prefix.match(national)):
        return _asked(text)
    if plan.valid.fullmatch(national.encode()) is not None:
        return True
    return None if len(national) in plan.lengths and not text.startswith("00") else False


def _parted(digits: str, text: str) -> tuple[int, str]:
    """The code of the country and the number there; 0 if it is not plain which."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as CODES

    if text[0] != "+" and text[:2] != "00":
        return (1, digits[-10:]) if len(digits) in (10, 11) else (0, "")
    digits = digits.removeprefix("00") if text[0] != "+" else digits
    codes = (int(digits[:size]) for size in (1, 2, 3))
    code = next((one for one in codes if one in CODES), 0)
    return code, digits[len(str(code)) :]


@cache
def _plan(code: int) -> _Plan | None:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as CODES
    from phonenumbers import PhoneMetadata

    regions = CODES[code]
    if regions[0] == _WORLD:
        return None
    told = map(PhoneMetadata.metadata_for_region, regions)
    found = [region for region in told if region is not None]
    general = found[0].general_desc
    if len(found) < len(regions) or general is None:
        return None
    kinds = [getattr(region, kind) for region in found for kind in _KINDS]
    patterns = {one.national_number_pattern for one in kinds if one is not None}
    options = re2.Options()
    options.log_errors = False
    prefix = found[0].national_prefix_for_parsing
    return _Plan(
        re.compile(prefix) if prefix else None,
        re2.compile("|".join(sorted(filter(None, patterns))).encode(), options),
        frozenset((*general.possible_length, *general.possible_length_local_only)),
    )


def _asked(text: str) -> bool | None:
    """What phonenumbers says."""
    import phonenumbers

    number = re.sub(r"^00\s?", "+", text)
    try:
        parsed = phonenumbers.parse(number, None if number.startswith("+") else "US")
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.is_valid_number(parsed):
        return True
    possible = phonenumbers.is_possible_number(parsed)
    return None if possible and not text.startswith("00") else False
