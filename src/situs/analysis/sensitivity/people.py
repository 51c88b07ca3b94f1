"""National and health identifiers, and dates of birth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from situs.analysis.sensitivity.detector import Check, Detector, stdnum, words
from situs.analysis.sensitivity.money import luhn

_GAPS = dict.fromkeys(map(ord, " ./-"))
_MEDICARE = (1, 3, 7, 9, 1, 3, 7, 9)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def is_medicare(text: str) -> bool:
    """Australia: starts with 2 to 6, the ninth digit is a weighted sum modulo 10."""
    digits = _digits(text)
    total = sum(int(a) * b for a, b in zip(digits, _MEDICARE, strict=False))
    return len(digits) in (10, 11) and digits[0] in "23456" and total % 10 == int(digits[8])


def is_personnummer(text: str) -> bool:
    """Sweden: month and day (the day may be 60 more), then a Luhn digit."""
    digits = _digits(text)[-10:]
    month, day = int(digits[2:4]), int(digits[4:6]) % 60
    return 1 <= month <= 12 and 1 <= day <= 31 and luhn(digits)


def is_cpr(text: str) -> bool | None:
    """Denmark: day and month; numbers since 2007 need not have a valid check digit."""
    digits = _digits(text)
    return None if 1 <= int(digits[:2]) <= 31 and 1 <= int(digits[2:4]) <= 12 else False


def is_fodselsnummer(text: str) -> bool:
    """Norway: two check digits modulo 11."""
    digits = [int(char) for char in _digits(text)]
    first = -sum(a * b for a, b in zip(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2), strict=False)) % 11
    second = -sum(a * b for a, b in zip(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=False)) % 11
    return first == digits[9] and second == digits[10]


def is_rrn(text: str) -> bool | None:
    """South Korea: a weighted check digit, absent since October 2020; the date must be one."""
    digits = _digits(text)
    if not (1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31):
        return False
    total = sum(
        int(a) * b for a, b in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=False)
    )
    return True if (11 - total % 11) % 10 == int(digits[12]) else None


def is_ric(text: str) -> bool:
    """China (GB 11643): a possible date, then a check digit (ISO 7064, MOD 11-2)."""
    year, month, day = int(text[6:10]), int(text[10:12]), int(text[12:14])
    if not (1900 <= year < 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()


def is_insz(text: str) -> bool:
    """Belgium: 97 minus the first nine digits modulo 97, with a 2 in front from the year 2000."""
    digits = _digits(text)
    check = int(digits[9:])
    return check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def is_south_african(text: str) -> bool:
    digits = _digits(text)
    return 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31 and luhn(digits)


def is_nino(text: str) -> bool | None:
    """United Kingdom: two letters cannot be used as a prefix; there is no check digit."""
    return False if text[:2].upper() in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"} else None


def _has_digits(least: int) -> Check:
    def check(text: str) -> bool | None:
        return None if sum(char.isdigit() for char in text) >= least else False

    return check


def _either(*checks: Callable[[str], bool]) -> Check:
    def check(text: str) -> bool:
        plain = text.translate(_GAPS)
        return any(valid(plain) for valid in checks)

    return check


def _number(sizes: str) -> str:
    """A pattern for digits that may be split by single spaces, dots, dashes or slashes."""
    return rf"\b[0-9](?:[ .\-/]?[0-9]){{{sizes}}}\b"


def _near(
    name: str, pattern: str, check: Check, *context: str, kind: str = "national_id"
) -> Detector:
    return Detector(name, kind, pattern, 0.6, check=check, context=words(*context))


def _shaped(name: str, pattern: str, check: Check, gate: str | None = None) -> Detector:
    return Detector(name, "national_id", pattern, 0.6, check=check, gate=gate)


_SHAPED = (
    _shaped(
        "us_ssn", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", _either(stdnum("us.ssn"), stdnum("us.itin"))
    ),
    _shaped(
        "gb_nino",
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b",
        is_nino,
    ),
    _shaped(
        "it_codice_fiscale",
        r"(?i)\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b",
        stdnum("it.codicefiscale"),
        gate=r"[A-Za-z][0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]",
    ),
    _shaped("fi_hetu", r"\b[0-9]{6}[\-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b", stdnum("fi.hetu")),
    _shaped("ch_ahv", r"\b756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}\b", stdnum("ch.ssn")),
    _shaped("br_cpf", r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", stdnum("br.cpf")),
    _shaped("cn_ric", r"(?i)\b[1-9][0-9]{16}[0-9X]\b", is_ric),
    _shaped("kr_rrn", r"\b[0-9]{6}-[1-8][0-9]{6}\b", is_rrn),
    _shaped(
        "mx_curp",
        r"\b[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]\b",
        stdnum("mx.curp"),
        gate=r"[A-Z][0-9]{6}[HMX][A-Z]",
    ),
    _shaped(
        "fr_nir",
        r"\b[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?[0-9][0-9AB](?: ?[0-9]{3}){2} ?[0-9]{2}\b",
        stdnum("fr.nir"),
    ),
    _shaped("be_insz", r"\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}\b", is_insz),
)

_NEAR = (
    _near(
        "us_ssn_in_context",
        r"\b[0-9]{3}[ .]?[0-9]{2}[ .]?[0-9]{4}\b",
        _either(stdnum("us.ssn"), stdnum("us.itin")),
        *("ssn", "social security", "itin", "taxpayer"),
    ),
    _near("au_tfn", _number("7,8"), stdnum("au.tfn"), "tfn", "tax file"),
    _near("au_medicare", _number("9,10"), is_medicare, "medicare", kind="health_id"),
    _near("gb_nhs", _number("9"), stdnum("gb.nhs"), "nhs", "national health", kind="health_id"),
    _near("ca_sin", _number("8"), stdnum("ca.sin"), "sin", "social insurance"),
    _near("de_idnr", _number("10"), stdnum("de.idnr"), r"steuer\S*", "idnr"),
    _near("fr_spi", _number("12"), stdnum("fr.nif"), "num[eé]ro fiscal", "spi"),
    _near("es_dni", r"(?i)\b[0-9]{8}-?[A-Z]\b", stdnum("es.dni"), "dni", "nif", "documento"),
    _near("es_nie", r"(?i)\b[XYZ]-?[0-9]{7}-?[A-Z]\b", stdnum("es.nie"), "nie", "extranjero"),
    _near("nl_bsn", _number("7,8"), stdnum("nl.bsn"), "bsn", r"burgerservice\S*", "sofi"),
    _near("be_insz_in_context", _number("10"), is_insz, r"rijksregister\S*", "insz", "niss"),
    _near("pl_pesel", _number("10"), stdnum("pl.pesel"), "pesel"),
    _near(
        "se_personnummer",
        r"\b(?:19|20)?[0-9]{6}[\-+ ]?[0-9]{4}\b",
        is_personnummer,
        *("personnummer", "personal identity"),
    ),
    _near("dk_cpr", r"\b[0-9]{6}[\- ]?[0-9]{4}\b", is_cpr, "cpr"),
    _near(
        "no_fodselsnummer", r"\b[0-9]{6}[ \-]?[0-9]{5}\b", is_fodselsnummer, r"f(?:ø|o|oe)dselsn\S*"
    ),
    _near("br_cpf_in_context", r"\b[0-9]{11}\b", stdnum("br.cpf"), "cpf"),
    _near("in_aadhaar", _number("11"), stdnum("in_.aadhaar"), r"aadh?aar", "uidai"),
    _near(
        "in_pan",
        r"\b[A-Z]{5}[0-9]{4}[A-Z]\b",
        stdnum("in_.pan"),
        "pan (?:card|number|no)",
        "permanent account",
    ),
    _near("za_id", r"\b[0-9]{13}\b", is_south_african, "id number", "identity number"),
    _near("cl_rut", r"\b[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-[0-9Kk]\b", stdnum("cl.rut"), "rut"),
    _near("tr_kimlik", r"\b[1-9][0-9]{10}\b", stdnum("tr.tckimlik"), "kimlik", "tckn", "tc"),
    _near("ie_pps", r"(?i)\b[0-9]{7}[A-W][A-IW]?\b", stdnum("ie.pps"), "ppsn?"),
    _near("pt_nif", _number("8"), stdnum("pt.nif"), "nif", "contribuinte"),
    _near("il_id", r"\b[0-9]{9}\b", stdnum("il.idnr"), "teudat", "israeli id"),
    _near("at_svnr", _number("9"), stdnum("at.vnr"), "svnr", r"sozialversicherung\S*"),
    _near("cz_rc", r"\b[0-9]{6}/?[0-9]{3,4}\b", stdnum("cz.rc"), r"rodn[eé] \S*o"),
    _near("ro_cnp", r"\b[1-9][0-9]{12}\b", stdnum("ro.cnp"), "cnp"),
    _near("bg_egn", r"\b[0-9]{10}\b", stdnum("bg.egn"), "egn"),
    _near("hr_oib", r"\b[0-9]{11}\b", stdnum("hr.oib"), "oib"),
    _near("lt_asmens", r"\b[3-6][0-9]{10}\b", stdnum("lt.asmens"), "asmens"),
    _near("ee_isikukood", r"\b[1-8][0-9]{10}\b", stdnum("ee.ik"), "isikukood"),
    _near(
        "driving_licence",
        r"\b[A-Za-z]{0,2}[0-9]{5,15}[A-Za-z]?\b",
        _has_digits(5),
        r"driv(?:er|ing)(?:\W?s)? licen[sc]e",
        *("führerschein", "licencia de conducir"),
    ),
    _near(
        "passport",
        r"\b[A-Z]{0,2}[0-9]{6,9}\b",
        _has_digits(6),
        "passport",
        "reisepass",
        "pasaporte",
    ),
    _near(
        "medical_record",
        r"\b[A-Z]{0,3}-?[0-9]{5,12}\b",
        _has_digits(5),
        *("mrn", "medical record", "patient (?:id|number|no)"),
        kind="health_id",
    ),
)

_MONTHS = (
    r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|ene|abr|ago|dic|janv|f[eé]vr|"
    r"avr|juin|juil|ao[uû]t|gen|giu|lug|set|ott)[a-zäéû]*\.?"
)
_NUMERIC = (
    r"\b[0-9]{1,2}[/.\-][0-9]{1,2}[/.\-](?:19|20)?[0-9]{2}\b|"
    r"\b(?:19|20)[0-9]{2}[/.\-][0-9]{1,2}[/.\-][0-9]{1,2}\b"
)
_WRITTEN = (
    rf"\b[0-9]{{1,2}}(?:st|nd|rd|th|\.)?(?: of| de)? {_MONTHS},? (?:de )?(?:19|20)[0-9]{{2}}\b|"
    rf"\b{_MONTHS} [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}}\b"
)
_FIELDS = re.compile(r"\d+")


def is_date(text: str) -> bool | None:
    """A day and a month must be possible; which is which is not known."""
    fields = [int(field) for field in _FIELDS.findall(text)]
    small = [field for field in fields if field <= 31]
    if any(32 <= field <= 99 and place < len(fields) - 1 for place, field in enumerate(fields)):
        return False
    return None if small and all(field >= 1 for field in fields[:2]) else False


def _birth_dates() -> Iterator[Detector]:
    yield Detector(
        "date_of_birth",
        "date_of_birth",
        f"(?i)(?:{_NUMERIC}|{_WRITTEN})",
        0.8,
        check=is_date,
        context=words(
            r"d\.?o\.?b",
            r"(?:date|day) of birth",
            r"birth ?date",
            r"my birthday",
            r"birthday[ :]",
            r"i was born",
            r"i'm born",
            r"geburtsdatum",
            r"geboren am",
            r"date de naissance",
            r"n[ée]e? le",
            r"fecha de nacimiento",
            r"data di nascita",
            r"data de nascimento",
            r"geboortedatum",
        ),
        reach=40,
    )
    yield Detector(
        "born_numeric_date",
        "date_of_birth",
        rf"(?i)\bborn[ :(]{{1,3}}(?:on )?({_NUMERIC})",
        0.6,
        check=is_date,
        gate=r"(?i)\bborn[ :(]+(?:on )?[0-9]+[/.\-]",
    )


DETECTORS = (*_SHAPED, *_NEAR, *_birth_dates())
