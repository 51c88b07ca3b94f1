"""Identifiers that are called by no country's name: any country's checksum will do."""

from __future__ import annotations

import re
from functools import cache

from situs.analysis.sensitivity import checks
from situs.analysis.sensitivity.detector import Check, Detector, either, stdnum, words

_PLAIN = re.compile(r"[ ./\-]")
_PERSONAL = words(
    r"(?:national|personal|citizen|identity|identification|civil|resident)(?: registration)?"
    r"(?: card)? (?:id\w*|numbers?|no|code|card)",
    r"(?:tax(?:payer)?|fiscal|social security|social insurance)(?: id\w*| identification)?"
    r" (?:numbers?|no|id|code)",
    *(r"national id\w*", "identity (?:card|document)", "id card", "tax file", "government id"),
)

_OWN: dict[str, Check] = {
    "se.personnummer": checks.is_personnummer,
    "no.fodselsnummer": checks.is_fodselsnummer,
    "hu.tax": checks.is_hungarian_tax,
    "be.nn": checks.is_insz,
    "za.idnr": checks.is_south_african,
    "kr.rrn": checks.is_rrn,
    "cn.ric": checks.is_ric,
    "sg.nric": checks.is_nric,
    "gb.nino": checks.is_nino,
    "cy.tic": checks.is_cyprus_tic,
}
_VALID: tuple[tuple[str, str], ...] = (
    (r"\d{8}", "au.tfn nz.ird nl.bsn si.ddv"),
    (
        r"\d{9}",
        "au.tfn nz.ird nl.bsn us.ssn us.itin ca.sin pt.nif il.idnr gr.vat cz.rc sk.rc at.tin",
    ),
    (r"\d{10}", "at.vnr bg.egn gb.utr gb.nhs is_.kennitala ua.rntrc ec.ci cz.rc sk.rc"),
    (r"\d{10}|\d{12}", "se.personnummer"),
    (r"\d{10}", "hu.tax"),
    (r"\d{11}", "pl.pesel hr.oib ee.ik lt.asmens gr.amka br.cpf tr.tckimlik de.idnr lv.pvn"),
    (r"\d{11}", "ar.cuit no.fodselsnummer be.nn"),
    (r"\d{12}", "jp.in_ in_.aadhaar ru.inn"),
    (r"\d{13}", "th.pin ro.cnp si.emso ch.ssn fr.nif pk.cnic za.idnr kr.rrn"),
    (r"\d{15}", "fr.nir"),
    (r"\d{17}[0-9X]", "cn.ric"),
    (r"\d{8}[A-Z]", "es.dni cy.tic"),
    (r"[XYZKLM]\d{7}[A-Z]", "es.nie es.nif"),
    (r"[STFGM]\d{7}[A-Z]", "sg.nric"),
    (r"\d{7}[A-W][A-IWT]?", "ie.pps"),
    (r"\d{6}[-+]?[A-Z]?\d{3}[0-9A-Z]", "fi.hetu"),
    (r"\d{7,8}[0-9K]", "cl.rut"),
    (r"[A-Z]{5}\d{4}[A-Z]", "in_.pan"),
    (r"[A-Z]{2}\d{6}[A-D]", "gb.nino"),
    (r"[A-Z]{6}\w{10}", "it.codicefiscale"),
    (r"[A-Z]{4}\d{6}\w{8}", "mx.curp"),
    (r"\d{9}[A-Z]{2}\d", "pt.cc"),
)
"""Shapes, without what separates their digits, and whose numbers have them."""

_COUNTRIES = {
    name: code
    for code, names in re.findall(
        r"(\w+):(\S+)",
        "au:australian at:austrian be:belgian br:brazilian gb:british bg:bulgarian ca:canadian "
        "cl:chilean cn:chinese hr:croatian cy:cypriot,cyprus cz:czech nl:dutch ee:estonian "
        "fi:finnish fr:french de:german gr:greek hu:hungarian is_:icelandic in_:indian ie:irish "
        "il:israeli it:italian jp:japanese kr:korean lv:latvian lt:lithuanian mx:mexican "
        "nz:zealand no:norwegian pk:pakistani pl:polish pt:portuguese ro:romanian ru:russian "
        "sg:singapore sk:slovak si:slovenian za:african es:spanish se:swedish ch:swiss th:thai "
        "tr:turkish ua:ukrainian us:american",
    )
    for name in names.split(",")
}
_COUNTRY = re.compile(rf"(?i)\b({'|'.join(_COUNTRIES)})\b[^.;!?\n]{{0,50}}\Z")


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], str, Check], ...]:
    return tuple(
        (re.compile(shape), name.partition(".")[0], _OWN.get(name) or stdnum(name))
        for shape, names in _VALID
        for name in names.split()
    )


def is_national(text: str, country: str | None = None) -> bool | None:
    """Whether the number is valid somewhere, or there, by its shape and that country's checksum."""
    plain = _PLAIN.sub("", text).upper()
    if len(set(plain)) == 1:
        return False
    fitting = [
        check
        for shape, code, check in _shapes()
        if country in (None, code) and shape.fullmatch(plain)
    ]
    return either(*fitting)(plain)


def is_of_another_country(before: str, text: str, behind: str) -> bool:
    """Whether a country is named, and the number is not valid there."""
    named = _COUNTRY.search(before)
    return named is not None and is_national(text, _COUNTRIES[named[1].lower()]) is False


DETECTORS = (
    Detector(
        "national_id",
        "national_id",
        r"(?i)\b(?:[A-Z]{1,6}-?)?[0-9][0-9A-Z]{0,17}(?:[ ./\-]?[0-9][0-9A-Z]{0,9}){0,5}"
        r"(?:-?[A-Z])?\b",
        0.6,
        check=is_national,
        context=_PERSONAL,
        cost=100,
        doubt=is_of_another_country,
    ),
)
