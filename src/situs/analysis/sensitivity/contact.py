"""E-mail addresses and telephone numbers."""

from __future__ import annotations

import re

from situs.analysis.sensitivity.detector import NUMBER, Detector, words
from situs.analysis.sensitivity.doubts import is_in_url, is_number_otherwise
from situs.analysis.sensitivity.phones import is_planned

_LETTERS = r"A-Za-z\x{C0}-\x{24F}\x{370}-\x{52F}"
_FILE_ENDINGS = frozenset(
    {
        *("png", "jpg", "jpeg", "gif", "svg", "webp", "pdf"),
        *("css", "js", "ts", "tsx", "jsx", "mjs", "json", "html", "htm", "py"),
        *("md", "txt", "yaml", "yml", "xml"),
    }
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d)(?!\d)"
    r"|(?:1[5-9]|20)\d\d\s*[-/]\s*(?:1[5-9]|20)\d\d$"
)
_DECIMAL = re.compile(r"\d+\.\d+$")


def is_email(text: str) -> bool | None:
    """Drops what only looks like one: remote names of git, file names such as `logo@2x.png`."""
    local, _, domain = text.rpartition("@")
    if local == "git" or domain.rpartition(".")[2].lower() in _FILE_ENDINGS:
        return False
    return None


def is_phone_shaped(text: str) -> bool | None:
    """6 to 15 digits that are neither a date, a span of years, nor a decimal fraction."""
    digits = sum(char.isdigit() for char in re.split("[xe]", text)[0])
    if not 6 <= digits <= 15 or _DATE.match(text) or _DECIMAL.fullmatch(text):
        return False
    return None


_EXTENSION = r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?"
_SHAPED = rf"\+?\(?[0-9](?:[ .\-()/]{{0,2}}[0-9]){{5,14}}{_EXTENSION}"
_CALLS = "call|ring|dial|sms|phone|text|reach|contact|tel|mob|mobile"
_NAMES_OF_PHONES = "office|mobile|desk|direct|fax|cell|home|work|tel|phone"

DETECTORS = (
    Detector(
        "email",
        "email",
        rf"[{_LETTERS}0-9_.%+'&\-]+@(?:[{_LETTERS}0-9\-]+\.)+[{_LETTERS}]{{2,24}}",
        0.9,
        check=is_email,
        doubt=is_in_url,
        gate=rf"[{_LETTERS}0-9_.%+'&\-]@[{_LETTERS}0-9\-]+\.",
    ),
    Detector(
        "phone_international",
        "phone",
        rf"(?:^|[^0-9A-Za-z+.])((?:\+|00) ?[1-9](?:[ .\-()/]{{0,3}}[0-9]){{6,14}}{_EXTENSION})",
        0.7,
        check=is_planned,
        rough=NUMBER,
        cost=20,
        doubt=is_number_otherwise,
    ),
    Detector(
        "phone_us",
        "phone",
        r"(?:^|[^0-9A-Za-z.\-])((?:1[ .\-])?(?:\([2-9][0-9]{2}\)[ .\-]{0,2}|"
        rf"[2-9][0-9]{{2}}[ .\-]{{1,2}})[0-9]{{3}}[ .\-][0-9]{{4}}{_EXTENSION})"
        r"(?:$|[^0-9A-Za-z\-])",
        0.6,
        check=is_planned,
        rough=NUMBER,
        cost=20,
        doubt=is_number_otherwise,
    ),
    Detector(
        "phone_called",
        "phone",
        rf"(?i)\b(?:{_CALLS})(?:ing|ed)?(?: (?:me|us|him|her|them|you|back|at|on|the|number))"
        rf"{{0,3}}[:.]? {{0,2}}({_SHAPED})(?:$|[^0-9A-Za-z])",
        0.6,
        check=is_phone_shaped,
        gate=rf"(?i)\b(?:{_CALLS})[a-z ]*[:.]? *[+(]*[0-9]",
        rough=NUMBER,
    ),
    Detector(
        "phone_named_behind",
        "phone",
        rf"(?:^|[^0-9A-Za-z.$€£#])({_SHAPED})[ \-(]{{1,2}}(?i:{_NAMES_OF_PHONES})\b",
        0.6,
        check=is_phone_shaped,
        gate=rf"[0-9][ \-(]{{1,2}}(?i:{_NAMES_OF_PHONES})\b",
        rough=NUMBER,
    ),
    Detector(
        "phone_in_context",
        "phone",
        rf"(?:^|[^0-9A-Za-z.$€£#])(\+?\(?[0-9](?:[ .\-()/]{{0,2}}[0-9]){{6,14}}{_EXTENSION})",
        0.6,
        check=is_phone_shaped,
        context=words(
            r"tel",
            r"t[eé]l[eé](?:ph|f)on[eo]?",
            r"(?:tele)?phone(?: number)?",
            r"mobile(?: number)?",
            r"cell(?:phone)?",
            r"fax",
            r"whatsapp",
            r"call (?:me|us|him|her|them|back|at|on)",
            r"dial",
            r"contact (?:me|us|him|her|them|number)",
            r"reach (?:me|us|him|her|them|you)",
            r"text (?:me|us|him|her)",
            r"answering at",
            r"(?:my|his|her|our|your|their) (?:new |work |home |cell )?number",
            r"ph(?: no)?",
            r"mob",
            r"sms",
            r"hotline",
            r"handy(?:nummer)?",
            r"rufnummer",
            r"m[oó]vil",
            r"(?:office|home|work)(?: phone)?:",
        ),
        reach=40,
    ),
)
