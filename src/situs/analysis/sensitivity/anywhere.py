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

_OF_DIGITS: dict[int, tuple[Check, ...]] = {
    8: (*map(stdnum, ("au.tfn", "nz.ird", "nl.bsn", "si.ddv")),),
    9: (
        *map(stdnum, ("au.tfn", "nz.ird", "nl.bsn", "us.ssn", "us.itin", "ca.sin", "pt.nif")),
        *map(stdnum, ("il.idnr", "gr.vat", "cz.rc", "sk.rc")),
    ),
    10: (
        *map(stdnum, ("at.vnr", "bg.egn", "gb.utr", "gb.nhs", "is_.kennitala", "ua.rntrc")),
        *map(stdnum, ("ec.ci", "cz.rc", "sk.rc")),
        *(checks.is_personnummer, checks.is_hungarian_tax),
    ),
    11: (
        *map(stdnum, ("pl.pesel", "hr.oib", "ee.ik", "lt.asmens", "gr.amka", "br.cpf")),
        *map(stdnum, ("tr.tckimlik", "de.idnr", "lv.pvn", "ar.cuit")),
        *(checks.is_fodselsnummer, checks.is_insz),
    ),
    12: (*map(stdnum, ("jp.in_", "in_.aadhaar", "ru.inn")), checks.is_personnummer),
    13: (
        *map(stdnum, ("th.pin", "ro.cnp", "si.emso", "ch.ssn", "fr.nif", "pk.cnic")),
        *(checks.is_south_african, checks.is_rrn),
    ),
    15: (stdnum("fr.nir"),),
    18: (checks.is_ric,),
}
_LETTERED: tuple[tuple[str, Check], ...] = (
    (r"\d{8}[A-Z]", either(stdnum("es.dni"), checks.is_cyprus_tic)),
    (r"[XYZKLM]\d{7}[A-Z]", either(stdnum("es.nie"), stdnum("es.nif"), checks.is_nric)),
    (r"[STFG]\d{7}[A-Z]", checks.is_nric),
    (r"\d{7}[A-W][A-IW]?", stdnum("ie.pps")),
    (r"\d{6}[A-Z]\d{3}[0-9A-Z]", stdnum("fi.hetu")),
    (r"\d{7,8}K", stdnum("cl.rut")),
    (r"[A-Z]{5}\d{4}[A-Z]", stdnum("in_.pan")),
    (r"[A-Z]{2}\d{6}[A-D]", checks.is_nino),
    (r"[A-Z]{6}\w{10}", stdnum("it.codicefiscale")),
    (r"[A-Z]{4}\d{6}\w{8}", stdnum("mx.curp")),
    (r"\d{9}[A-Z]{2}\d", stdnum("pt.cc")),
    (r"\d{17}X", checks.is_ric),
)


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], Check], ...]:
    return tuple((re.compile(shape), check) for shape, check in _LETTERED)


def is_national(text: str) -> bool | None:
    """Whether the number is valid somewhere, by its shape and that country's checksum."""
    plain = _PLAIN.sub("", text).upper()
    if len(set(plain)) == 1:
        return False
    if plain.isdigit():
        return either(*_OF_DIGITS.get(len(plain), ()))(plain)
    if re.fullmatch(r"\d{6}[-+]\d{3}\w", text):
        return stdnum("fi.hetu")(text)
    return either(*(check for shape, check in _shapes() if shape.fullmatch(plain)))(plain)


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
    ),
)
