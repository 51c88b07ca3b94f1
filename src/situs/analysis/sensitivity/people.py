"""National identifiers that their shape gives away, and dates of birth."""

from __future__ import annotations

import re
from collections.abc import Iterator

from situs.analysis.sensitivity import checks
from situs.analysis.sensitivity.checks import any_of
from situs.analysis.sensitivity.detector import NUMBER, Check, Detector, stdnum, words


def _shaped(name: str, pattern: str, check: Check, gate: str | None = None) -> Detector:
    return Detector(name, "national_id", pattern, 0.6, check=check, gate=gate, rough=NUMBER)


SSN = any_of(stdnum("us.ssn"), stdnum("us.itin"))

_SHAPED = (
    Detector(
        "us_ssn",
        "national_id",
        r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
        0.6,
        check=SSN,
        # As a part number looks: something in the text must be about persons, as the head of a
        # table is.
        context=words(
            *("ssns?", "social security", "social", "itin", "taxpayer\\w*", "dob", "birth ?date"),
            *("date of birth", "employee", "applicant", "patient", "payroll", "first name"),
            *("last name", "full name", "surname", "w-?[29]"),
        ),
        reach=20_000,
    ),
    _shaped("sg_nric", r"\b[STFGM][0-9]{7}[A-Z]\b", checks.is_nric),
    _shaped("th_pin", r"\b[1-8]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]\b", stdnum("th.pin")),
    _shaped("pk_cnic", r"\b[1-7][0-9]{4}-[0-9]{7}-[0-9]\b", stdnum("pk.cnic")),
    _shaped(
        "gb_nino",
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b",
        checks.is_nino,
    ),
    _shaped(
        "it_codice_fiscale",
        r"(?i)\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b",
        stdnum("it.codicefiscale"),
        gate=r"[A-Za-z][0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]",
    ),
    _shaped("fi_hetu", r"\b[0-9]{6}[\-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b", stdnum("fi.hetu")),
    _shaped(
        "ch_ahv",
        r"(?:^|[^0-9A-Za-z.,])(756(?:\.[0-9]{4}\.[0-9]{4}\.| ?[0-9]{4} ?[0-9]{4} ?)[0-9]{2})\b",
        stdnum("ch.ssn"),
    ),
    _shaped("br_cpf", r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", stdnum("br.cpf")),
    _shaped("cn_ric", r"(?i)(?:^|[^0-9A-Z.,])([1-9][0-9]{16}[0-9X])\b", checks.is_ric),
    _shaped("kr_rrn", r"\b[0-9]{6}-[1-8][0-9]{6}\b", checks.is_rrn),
    _shaped(
        "mx_curp",
        r"\b[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]\b",
        stdnum("mx.curp"),
        gate=r"[A-Z][0-9]{6}[HMX][A-Z]",
    ),
    _shaped(
        "fr_nir",
        r"(?:^|[^0-9A-Za-z.,])"
        r"([12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?[0-9][0-9AB](?: ?[0-9]{3}){2} ?[0-9]{2})\b",
        stdnum("fr.nir"),
    ),
    _shaped("be_insz", r"\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}\b", checks.is_insz),
)

MONTHS = (
    r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|ene|abr|ago|dic|janv|f[eé]vr|"
    r"avr|juin|juil|ao[uû]t|gen|giu|lug|set|ott)[a-zäéû]*\.?"
)
_NUMERIC = (
    r"\b[0-9]{1,2}[/.\-][0-9]{1,2}[/.\-](?:19|20)?[0-9]{2}\b|"
    r"\b(?:19|20)[0-9]{2}[/.\-][0-9]{1,2}[/.\-][0-9]{1,2}\b"
)
_WRITTEN = (
    rf"\b[0-9]{{1,2}}(?:st|nd|rd|th|\.)?(?: of| de)? {MONTHS},? (?:de )?(?:19|20)[0-9]{{2}}\b|"
    rf"\b{MONTHS} [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}}\b|"
    rf"\b[0-9]{{1,2}}[/.\-]{MONTHS}[/.\-](?:19|20)?[0-9]{{2}}\b"
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


DETECTORS = (*_SHAPED, *_birth_dates())
