"""Checks of identifiers that python-stdnum lacks, or has with a look at the clock."""

from __future__ import annotations

from collections.abc import Callable

from situs.analysis.sensitivity.detector import Check
from situs.analysis.sensitivity.money import luhn

_GAPS = dict.fromkeys(map(ord, " ./-"))
_MEDICARE = (1, 3, 7, 9, 1, 3, 7, 9)
_NRIC = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK"}


def digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def weighted(text: str, weights: tuple[int, ...]) -> int:
    """The sum of the first digits, each times its weight."""
    return sum(int(a) * b for a, b in zip(text, weights, strict=False))


def any_of(*checks: Callable[[str], bool]) -> Check:
    """Whether the number without its gaps is valid for one of these."""

    def check(text: str) -> bool:
        plain = text.translate(_GAPS)
        return any(valid(plain) for valid in checks)

    return check


def is_day(day: str, month: str) -> bool:
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12


def is_medicare(text: str) -> bool:
    """Australia: starts with 2 to 6, the ninth digit is a weighted sum modulo 10."""
    plain = digits(text)
    right = weighted(plain, _MEDICARE) % 10 == int(plain[8])
    return len(plain) in (10, 11) and plain[0] in "23456" and right


def is_personnummer(text: str) -> bool:
    """Sweden: month and day (the day may be 60 more), then a Luhn digit."""
    plain = digits(text)[-10:]
    return is_day(str(int(plain[4:6]) % 60), plain[2:4]) and luhn(plain)


def is_cpr(text: str) -> bool | None:
    """Denmark: day and month; numbers since 2007 need not have a valid check digit."""
    plain = digits(text)
    return None if is_day(plain[:2], plain[2:4]) else False


def is_fodselsnummer(text: str) -> bool:
    """Norway: two check digits modulo 11."""
    plain = digits(text)
    first = -weighted(plain, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -weighted(plain, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return first == int(plain[9]) and second == int(plain[10])


def is_rrn(text: str) -> bool | None:
    """South Korea: a weighted check digit, absent since October 2020; the date must be one."""
    plain = digits(text)
    if not is_day(plain[4:6], plain[2:4]) or plain[6] not in "12345678":
        return False
    total = weighted(plain, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return True if (11 - total % 11) % 10 == int(plain[12]) else None


def is_ric(text: str) -> bool:
    """China (GB 11643): a possible date, then a check digit (ISO 7064, MOD 11-2)."""
    if not (1900 <= int(text[6:10]) < 2100 and is_day(text[12:14], text[10:12])):
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()


def is_insz(text: str) -> bool:
    """Belgium: 97 minus the first nine digits modulo 97, with a 2 in front from the year 2000."""
    plain = digits(text)
    check = int(plain[9:])
    return check in (97 - int(plain[:9]) % 97, 97 - int("2" + plain[:9]) % 97)


def is_south_african(text: str) -> bool:
    plain = digits(text)
    return is_day(plain[4:6], plain[2:4]) and plain[10] in "012" and luhn(plain)


def is_nino(text: str) -> bool | None:
    """United Kingdom: two letters cannot be used as a prefix; there is no check digit."""
    return False if text[:2].upper() in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"} else None


def is_nric(text: str) -> bool:
    """Singapore: NRIC and FIN, a check letter from a sum modulo 11; M is the series since 2022."""
    first, last = text[0].upper(), text[-1].upper()
    total = weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2))
    if first == "M":
        return "KLJNPQRTUWX"[10 - (total + 3) % 11] == last
    return _NRIC[first][(total + 4 * (first in "TG")) % 11] == last


def is_mykad(text: str) -> bool | None:
    """Malaysia: a date and a place of birth; there is no check digit."""
    plain = digits(text)
    return None if is_day(plain[4:6], plain[2:4]) and plain[6:8] not in ("00", "17") else False


def is_nhi(text: str) -> bool:
    """New Zealand's health number: modulo 11, or a letter in the form of 2022 (modulo 23 or 24)."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    plain = text.upper()
    values = [int(char) if char.isdigit() else letters.index(char) + 1 for char in plain[:6]]
    total = sum(value * weight for value, weight in zip(values, range(7, 1, -1), strict=True))
    if plain[6].isdigit():
        return total % 11 != 0 and (11 - total % 11) % 10 == int(plain[6])
    return plain[6] in (letters[22 - total % 23], letters[23 - total % 24])


def is_uen(text: str) -> bool | None:
    """Singapore's companies: a check letter for the two older forms."""
    plain = text.upper()
    if plain[:8].isdigit() and len(plain) == 9:
        total = weighted(plain, (10, 4, 9, 3, 8, 2, 7, 1))
        return "XMKECAWLJDB"[total % 11] == plain[8]
    if plain[:9].isdigit():
        total = weighted(plain, (10, 8, 6, 4, 9, 7, 5, 3, 1))
        return "ZKCMDNERGWH"[total % 11] == plain[9]
    return None


def is_cyprus_tic(text: str) -> bool:
    """Cyprus: digits in odd places are translated, a check letter modulo 26."""
    table = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
    total = sum(table[int(one)] for one in text[:8:2]) + sum(map(int, text[1:8:2]))
    return chr(65 + total % 26) == text[8].upper()


def is_hungarian_tax(text: str) -> bool:
    """Hungary: a person's tax number, 8 in front, a check digit modulo 11."""
    plain = digits(text)
    return sum(int(one) * place for place, one in enumerate(plain[:9], 1)) % 11 == int(plain[9])


def is_taj(text: str) -> bool:
    """Hungary: the number of social security, weights 3 and 7 modulo 10."""
    plain = digits(text)
    return weighted(plain, (3, 7, 3, 7, 3, 7, 3, 7)) % 10 == int(plain[8])
