"""Numbers of companies: registers and value-added tax."""

from __future__ import annotations

import re

from situs.analysis.sensitivity import checks
from situs.analysis.sensitivity.detector import (
    NUMBER,
    Check,
    Detector,
    Doubt,
    either,
    has_digits,
    numeral,
    stdnum,
    words,
)


def _company(
    name: str, pattern: str, check: Check, *context: str, doubt: Doubt | None = None
) -> Detector:
    near, rough = (words(*context), None) if context else (None, NUMBER)
    return Detector(
        name, "company_id", pattern, 0.6, check=check, context=near, rough=rough, doubt=doubt
    )


def _has_country(before: str, text: str, behind: str) -> bool:
    """Another row judges a number with its country in front."""
    return _COUNTRY.search(before) is not None


_COUNTRY = re.compile(r"\b[A-Z]{2}[ \-]?\Z")


_EU = "AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI"

_VAT_WORDS = (
    *(
        "vat",
        r"ust-?id\S*",
        "tva",
        "iva",
        "p\\.? ?iva",
        "btw",
        "moms",
        "uid",
        r"mehrwertsteuer\S*",
    ),
    *(
        "nip",
        "cvr",
        "alv",
        "dph",
        "dic",
        "pvm",
        "pvn",
        "ddv",
        "pdv",
        "kmkr",
        "nif",
        "fpa",
        "αφμ",
    ),
)
_VAT = (
    *("at.uid", "be.vat", "bg.vat", "cy.vat", "cz.dic", "de.vat", "dk.cvr", "ee.kmkr", "es.nif"),
    *("fi.alv", "fr.tva", "gr.vat", "hr.oib", "hu.anum", "ie.vat", "it.iva", "lt.pvm", "lu.tva"),
    *("lv.pvn", "mt.vat", "nl.btw", "pl.nip", "pt.nif", "ro.cf", "se.vat", "si.ddv", "sk.dph"),
)
"""Where the country is not said: valid in one of them."""

DETECTORS = (
    _company(
        "eu_vat",
        rf"(?i)\b(?:{_EU})[ \-]?U?[0-9A-Z](?:[ .\-]?[0-9]){{6,11}}[0-9A-Z]{{0,3}}\b",
        stdnum("eu.vat"),
        *_VAT_WORDS,
    ),
    _company(
        "vat_without_country",
        r"(?i)\b[0-9](?:[ .\-]?[0-9]){6,11}[A-Z]?[0-9]{0,2}\b|\b[0-9][A-Z][0-9]{5}[A-Z]{1,2}\b",
        either(*map(stdnum, _VAT)),
        *_VAT_WORDS,
        doubt=_has_country,
    ),
    _company("ru_inn_of_company", numeral("9"), stdnum("ru.inn"), "inn", "инн"),
    _company("gb_vat", r"(?i)\b(?:GB ?)?[0-9]{3} ?[0-9]{4} ?[0-9]{2}\b", stdnum("gb.vat"), "vat"),
    _company("au_abn", numeral("10"), stdnum("au.abn"), "abn", "australian business"),
    _company("au_acn", numeral("8"), stdnum("au.acn"), "acn", "australian company"),
    _company(
        "jp_corporate", numeral("12"), stdnum("jp.cn"), "corporate number", "houjin", "法人番号"
    ),
    _company(
        "in_gstin",
        r"(?i)\b[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]Z[0-9A-Z]\b",
        stdnum("in_.gstin"),
    ),
    _company(
        "sg_uen",
        r"(?i)\b(?:[0-9]{8,9}[A-Z]|[TSR][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z])\b",
        checks.is_uen,
        *("uen", "unique entity"),
    ),
    _company(
        "kr_brn",
        r"\b[0-9]{3}-?[0-9]{2}-?[0-9]{5}\b",
        stdnum("kr.brn"),
        *("brn", "business registration", "사업자\\S*"),
    ),
    _company("th_tin", numeral("9,12"), stdnum("th.tin"), "tin", "thai tax", "taxpayer\\w*"),
    _company(
        "us_ein",
        r"\b(?:[1-6]\d|0[1-6]|7[1-7]|8[0-8]|9[0-58-9])-?[0-9]{7}\b",
        has_digits(9),
        *("f?ein", "employer id\\w*", "federal tax", "employer identification"),
    ),
    _company(
        "ca_bn",
        r"(?i)\b[0-9]{9}(?: ?R[CMPT] ?[0-9]{4})?\b",
        stdnum("ca.bn"),
        "bn",
        "business number",
        "gst",
        "hst",
    ),
    _company("br_cnpj", r"\b[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}\b", stdnum("br.cnpj")),
    _company("br_cnpj_in_context", r"(?i)\b[0-9A-Z]{12}[0-9]{2}\b", stdnum("br.cnpj"), "cnpj"),
    _company(
        "ch_uid",
        r"(?i)\bCHE[ \-]?[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}(?: ?(?:MWST|TVA|IVA))?\b",
        either(stdnum("ch.uid"), stdnum("ch.vat")),
    ),
    _company(
        "fr_siren",
        r"\b[0-9]{3} ?[0-9]{3} ?[0-9]{3}(?: ?[0-9]{5})?\b",
        either(stdnum("fr.siren"), stdnum("fr.siret")),
        "siren",
        "siret",
    ),
    _company("it_iva", numeral("10"), stdnum("it.iva"), "p\\.? ?iva", "partita iva"),
    _company(
        "es_cif", r"(?i)\b[A-HJNP-SUVW]-?[0-9]{7}-?[0-9A-J]\b", stdnum("es.cif"), "cif", "nif"
    ),
    _company("pl_nip", numeral("9"), stdnum("pl.nip"), "nip"),
    _company("pl_regon", r"\b[0-9]{9}(?:[0-9]{5})?\b", stdnum("pl.regon"), "regon"),
    _company("dk_cvr", numeral("7"), stdnum("dk.cvr"), "cvr"),
    _company(
        "no_orgnr",
        r"\b[0-9]{3} ?[0-9]{3} ?[0-9]{3}(?: ?MVA)?\b",
        either(stdnum("no.orgnr"), stdnum("no.mva")),
        r"org\S*",
        "mva",
    ),
    _company("se_orgnr", r"\b[0-9]{6}-?[0-9]{4}\b", stdnum("se.orgnr"), r"org\S*"),
    _company("fi_ytunnus", r"\b[0-9]{7}-[0-9]\b", stdnum("fi.ytunnus"), "y-?tunnus", "business id"),
    _company("ee_registrikood", numeral("7"), stdnum("ee.registrikood"), "registrikood"),
    _company("cz_ico", numeral("7"), stdnum("cz.dic"), "i[cč]o"),
    _company("hu_anum", r"\b[0-9]{8}-[0-9]-[0-9]{2}\b", stdnum("hu.anum")),
    _company("ro_cui", r"(?i)\b(?:RO ?)?[0-9]{2,10}\b", stdnum("ro.cui"), "cui", "cif"),
    _company("za_tin", numeral("9"), stdnum("za.tin"), "tin", "sars", "tax reference"),
    _company("lei", r"(?i)\b[0-9A-Z]{18}[0-9]{2}\b", stdnum("lei"), "lei", "legal entity"),
)
