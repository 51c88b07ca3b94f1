"""Payment cards, IBANs and bank accounts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from situs.analysis.sensitivity.detector import AROUND, NUMBER, Detector, stdnum, words
from situs.analysis.sensitivity.doubts import is_called_otherwise, is_in_hash

GAP = r"[ \t\r\n.\-_]"
"""What may stand between the digits of one number."""

_ISSUERS = (
    (r"4", (13, 16, 19)),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    (r"3[47]", (15,)),
    (r"30[0-5]|309|36|3[89]", (14, 15, 16, 17, 18, 19)),
    (r"35", (16, 17, 18, 19)),
    (r"6011|64|65|62|81|60|82|508|220[0-4]|9792|63[789]", (16, 17, 18, 19)),
    (r"50|5[6-8]|6304|0604|6390|67", (12, 13, 14, 15, 16, 17, 18, 19)),
    (r"2131|1800", (15,)),
)
"""Leading digits of the issuers (ISO/IEC 7812) and the lengths of their cards, a little wider than
what is issued: made-up cards use the whole of a range."""

_ISSUED = (
    (r"4", (13, 16, 19)),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    (r"3[47]|2131|1800", (15,)),
    (r"30[0-5]|3095|36|3[89]", (14,)),
    (r"35(?:2[89]|[3-8])", (16, 19)),
    (r"6011|64[4-9]|65|62", (16, 19)),
    (r"60[678]|81[78]|82|508|220[0-4]|9792|50(?:18|2|38)|5893|6304|67(?:59|6[1-3])", (16,)),
)
"""The same, as narrow as they are issued: for digits in one piece without a word of paying."""


def _by_size(ranges: Iterable[tuple[str, tuple[int, ...]]]) -> dict[int, re.Pattern[str]]:
    found: dict[int, list[str]] = {}
    for prefix, sizes in ranges:
        for size in sizes:
            found.setdefault(size, []).append(prefix)
    return {size: re.compile("|".join(prefixes)) for size, prefixes in found.items()}


_PREFIXES, _NARROW = _by_size(_ISSUERS), _by_size(_ISSUED)
_GROUPINGS = {
    3: frozenset({(4, 6, 5), (4, 6, 4), (4, 4, 5)}),
    4: frozenset({(4, 4, 4, 4), (4, 4, 4, 1)}),
    5: frozenset({(4, 4, 4, 4, 3)}),
}
"""Sizes of the groups of digits as they are printed on cards, by number of groups."""

_LIST = 7
"""A card of four groups, and month, year and code."""

_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_DIGITS = re.compile(r"[0-9]+")
_TAG = re.compile("<[^<>]*>")

_VALUES = {ord(letter): str(int(letter, 36)) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

IBAN_LENGTHS = {
    country: int(size)
    for country, size in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29"
        "ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20"
        "LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29"
        "PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20"
        "YE30",
    )
}
"""Length of an IBAN by country, from the IBAN registry of SWIFT."""


def luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812; `digits` holds nothing but 0-9."""
    octets = digits.encode()
    plain, doubled = octets[-1::-2], octets[-2::-2].translate(_DOUBLED)
    return (sum(plain) + sum(doubled) - 48 * len(octets)) % 10 == 0


def is_card(text: str) -> bool:
    digits = "".join(_DIGITS.findall(text))
    prefix = _PREFIXES.get(len(digits))
    if prefix is None or not prefix.match(digits) or len(set(digits)) < 2:
        return False
    return luhn(digits)


def is_other_number(before: str, text: str, behind: str) -> bool:
    """Of a card: groups are a sign of their own. Digits in one piece must be as issued, not called
    otherwise, and not stand among numbers as long that are none."""
    if is_in_hash(before, text, behind):
        return True
    if not text.isdigit():
        return False
    issued = _NARROW.get(len(text))
    if issued is None or not issued.match(text) or is_called_otherwise(before, text, behind):
        return True
    beside = [one for one in _beside(before, behind) if len(one) == len(text)]
    return bool(beside) and not any(map(is_card, beside))


def _beside(before: str, behind: str) -> Iterator[str]:
    """The next numbers on both sides that can be seen whole."""
    numbers = list(_DIGITS.finditer(before))
    if numbers and (numbers[-1].start() > 0 or len(before) < AROUND):
        yield numbers[-1].group()
    number = _DIGITS.search(behind)
    if number and number.end() < AROUND:
        yield number.group()


def is_scattered_card(digits: str, sizes: list[int]) -> bool:
    """Whether these groups are a card as it is printed, or halves of one, as it is issued."""
    printed = tuple(sizes) == (4, 6, 5)
    halves = sum(sizes) == 16 and all(size in (4, 8, 12) for size in sizes)
    return (printed or halves) and is_issued(digits) and is_card(digits)


def is_issued(digits: str) -> bool:
    """Whether cards of that length begin so, as narrow as they are issued."""
    issued = _NARROW.get(len(digits))
    return issued is not None and issued.match(digits) is not None


def card_spans(run: str) -> Iterator[tuple[int, int]]:
    """Where a card may stand in a run of digits and gaps.

    One unbroken group, a grouping that is printed on cards, or the whole run however it is split.
    A decimal fraction is none of these, unless it is zero.
    """
    groups = [match.span() for match in _DIGITS.finditer(run)]
    if len(groups) == 2 and _is_fraction(run, groups, 1):
        if not run[groups[1][0] :].strip("0"):
            yield groups[0]
        return
    sizes = [end - start for start, end in groups]
    if len(groups) > 1 and 13 <= sum(sizes) <= 19:
        yield groups[0][0], groups[-1][1]
    for first, size in enumerate(sizes):
        if size >= 13:
            if not _is_fraction(run, groups, first):
                yield from _unbroken(run, *groups[first])
        elif size == 4:
            for count in (5, 4, 3):
                if tuple(sizes[first : first + count]) in _GROUPINGS[count]:
                    yield groups[first][0], groups[first + count - 1][1]


def _unbroken(run: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The whole group, or what a longer one begins with, if nothing but zeros follow."""
    if end - start <= 19:
        yield start, end
        return
    for size in (16, 15, 14, 13, 19):
        if not run[start + size : end].strip("0"):
            yield start, start + size


def _is_fraction(run: str, groups: list[tuple[int, int]], place: int) -> bool:
    return place > 0 and run[groups[place - 1][1] : groups[place][0]] == "."


def card_spans_anywhere(run: str) -> Iterator[tuple[int, int]]:
    """Every 12 to 19 digits of whole groups, in the first 64 groups: for use near card words."""
    groups = [match.span() for match in _DIGITS.finditer(run)][:64]
    for first, (start, _) in enumerate(groups):
        total = 0
        for begin, end in groups[first:]:
            total += end - begin
            if total > 19:
                break
            if total >= 12:
                yield start, end


def card_spans_first(run: str) -> Iterator[tuple[int, int]]:
    """The first groups of a short list, where they are as printed: a longer one is no card."""
    groups = [match.span() for match in _DIGITS.finditer(run)]
    if len(groups) <= _LIST:
        sizes = [end - start for start, end in groups]
        for count in (5, 4, 3):
            if tuple(sizes[:count]) in _GROUPINGS[count]:
                yield 0, groups[count - 1][1]


def is_marked_card(text: str) -> bool:
    """A card among markup: its groups as printed, or digit by digit; digits of tags are none."""
    plain = _TAG.sub(" ", text)
    sizes = tuple(map(len, _DIGITS.findall(plain)))
    printed = sizes in _GROUPINGS.get(len(sizes), ()) or set(sizes) == {1}
    return printed and is_card(plain)


def is_iban(text: str) -> bool:
    """ISO 13616: the country's length, and mod 97 = 1."""
    compact = text if text.isalnum() else "".join(filter(str.isalnum, text))
    compact = compact.upper()
    if len(compact) != IBAN_LENGTHS.get(compact[:2]):
        return False
    return int((compact[4:] + compact[:4]).translate(_VALUES)) % 97 == 1


def iban_spans(run: str) -> Iterator[tuple[int, int]]:
    """From the start of the match, as many letters and digits as the country's IBAN has."""
    size = IBAN_LENGTHS.get(run[:2].upper())
    if size and run[:size].isalnum():
        if len(run) == size or (len(run) > size and not run[size].isalnum()):
            yield 0, size
        return
    places = [place for place, char in enumerate(run) if char.isalnum()]
    size = IBAN_LENGTHS.get((run[places[0]] + run[places[1]]).upper())
    if size is None or size > len(places):
        return
    end = places[size - 1] + 1
    if end == len(run) or not run[end].isalnum():
        yield 0, end


def _is_account(text: str) -> bool | None:
    return None if 6 <= sum(char.isdigit() for char in text) <= 18 else False


_COUNTRY = "(?:" + "|".join(IBAN_LENGTHS) + ")"
_STAR = r"[ \t\r\n.\-_*]"
_LOOSE = "(?:" + "|".join(f"{c[0]}{_STAR}{{0,3}}{c[1]}" for c in IBAN_LENGTHS) + ")"
_CARD_RUN = rf"[0-9](?:{GAP}{{0,3}}[0-9]){{12,}}"
_SHORT_RUN = rf"[0-9](?:{GAP}{{0,3}}[0-9]){{11,}}"
_APART = r"[^0-9A-Za-z]{1,4}"
_LISTED = r"[ -/:-@\[-`{-~]{1,4}"
_MARK = r"(?:<[A-Za-z/][^<>]*>|[ \t\r\n]{5}|[\"'][ \t\r\n]*[+.&][ \t\r\n]*[\"'])"
_CARDS_ELSEWHERE = (
    *("tarjetas?", r"(?:kredit|bank|giro|debit|ec-?)?karten?(?:nummer)?", r"kreditk[ao]rt\w*"),
    *("carte (?:bancaire|bleue|de (?:cr[eé]dit|paiement))", "carta di (?:credito|debito)"),
    *("num[eé]ro de carte", r"cart[aã]o(?: de cr[eé]dito)?", "betaal(?:kaart|pas)", "creditcard"),
    *(
        "karta (?:kredytowa|płatnicza)",
        r"karty",
        "luottokort\\w+",
        "карт[аыуе]",
        "信用卡",
        "银行卡",
    ),
    *("カード", "카드", "κάρτα"),
)
_CARDS = words(
    *("cards?", "credit ?cards?", "visa", "mastercard", "amex", "american express", "maestro"),
    *("discover", "diners(?: club)?", "jcb", "unionpay", "rupay", "cvv2?", "cvc2?"),
    *_CARDS_ELSEWHERE,
)
_PAYING = words(
    *("cards?", "credit", "debit", "visa", "mastercard", "amex", "american express", "maestro"),
    *("cvv2?", "cvc2?", "ccn?", "ccnum", "cardholder", "pay(?:ing|ment|ments)?", "paid"),
    *("charged?", "billing", "exp", "expir(?:y|es|ed|ation)", "0[1-9]/[0-9]{2}", "1[0-2]/[0-9]{2}"),
    *_CARDS_ELSEWHERE,
)

DETECTORS = (
    Detector(
        "card_number",
        "card",
        _CARD_RUN,
        0.5,
        check=is_card,
        split=card_spans,
        rough=NUMBER,
        doubt=is_other_number,
    ),
    Detector(
        "card_unbroken_in_context",
        "card",
        r"(?:^|[^0-9.])([0-9]{12,19})(?:$|[^0-9])",
        0.5,
        check=is_card,
        context=_PAYING,
        reach=200,
    ),
    # Digits, or groups as on a card, with anything but letters between: lists, emoji, slashes. A
    # longer list of numbers is none: the check wants the whole of it.
    Detector(
        "card_apart",
        "card",
        rf"(?:^|[^0-9])([0-9](?:{_APART}[0-9]){{12,40}}|[0-9]{{4}}(?:{_APART}[0-9]{{4}}){{3,9}}|"
        rf"[0-9]{{8}}(?:{_APART}[0-9]{{8}}){{1,9}}|"
        rf"[0-9]{{4}}{_APART}[0-9]{{6}}{_APART}[0-9]{{5}})(?:$|[^0-9])",
        0.5,
        check=is_card,
        rough=NUMBER,
    ),
    Detector(
        "card_number_in_context",
        "card",
        _SHORT_RUN,
        0.5,
        check=is_card,
        split=card_spans_anywhere,
        context=_CARDS,
        reach=200,
    ),
    # A list that begins with the card, and goes on with a date and a code.
    Detector(
        "card_listed_in_context",
        "card",
        rf"[0-9]{{4}}(?:{_LISTED}[0-9]{{1,8}}){{2,40}}",
        0.5,
        check=is_card,
        split=card_spans_first,
        context=_CARDS,
        reach=60,
    ),
    # Cells of a table, broken lines, wide gaps, pieces of a string put together in code.
    Detector(
        "card_marked",
        "card",
        rf"(?:^|[^0-9])([0-9](?:(?:{_MARK}|{GAP})*[0-9]){{12,40}})(?:$|[^0-9])",
        0.5,
        check=is_marked_card,
        gate=rf"[0-9][ \t\r\n]*{_MARK}[ \t\r\n]*(?:{_MARK}[ \t\r\n]*)*[0-9]",
    ),
    Detector(
        "iban",
        "iban",
        rf"(?i)\b({_COUNTRY}[0-9]{{2}}(?:[A-Z0-9]{{11}}|(?:{_STAR}{{1,3}}[A-Z0-9]{{4}}){{2}})"
        rf"(?:{_STAR}{{0,3}}[A-Z0-9]){{0,40}}|"
        rf"{_LOOSE}(?:{_STAR}{{0,3}}[0-9]){{2}}(?:{_STAR}{{0,3}}[A-Z]){{0,5}}"
        rf"(?:{_STAR}{{0,3}}[0-9]){{6}}(?:{_STAR}{{0,3}}[A-Z0-9]){{0,40}})",
        0.5,
        check=is_iban,
        split=iban_spans,
        again=True,
        rough=NUMBER,
        doubt=is_in_hash,
    ),
    Detector(
        "bic",
        "bic",
        r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b",
        0.7,
        check=stdnum("bic"),
        context=words("bic", "swift", "bank identifier"),
        reach=40,
    ),
    Detector(
        "us_routing_number",
        "bank_account",
        r"\b[0-9]{9}\b",
        0.5,
        check=stdnum("us.rtn"),
        context=words("routing", "aba", "rtn"),
    ),
    Detector(
        "bank_account_number",
        "bank_account",
        r"\b[0-9](?:[ \-]?[0-9]){5,17}\b",
        0.6,
        check=_is_account,
        context=words(
            r"bank account",
            r"account (?:number|no|nr|num)",
            r"acct",
            r"a/c no",
            r"sort code",
            r"bsb",
            r"kontonummer",
            r"num[eé]ro de compte",
            r"n[uú]mero de cuenta",
        ),
        reach=40,
    ),
)
