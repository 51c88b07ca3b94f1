"""National and health identifiers near a word that names them."""

from __future__ import annotations

from situs.analysis.sensitivity import checks
from situs.analysis.sensitivity.detector import (
    Check,
    Detector,
    either,
    has_digits,
    numeral,
    stdnum,
    words,
)
from situs.analysis.sensitivity.people import SSN


def _near(
    name: str, pattern: str, check: Check, *context: str, kind: str = "national_id"
) -> Detector:
    return Detector(name, kind, pattern, 0.6, check=check, context=words(*context))


def _health(name: str, pattern: str, check: Check, *context: str) -> Detector:
    return _near(name, pattern, check, *context, kind="health_id")


_OCEANIA_ASIA = (
    _near("au_tfn", numeral("7,8"), stdnum("au.tfn"), "tfn", "tax file"),
    _health("au_medicare", numeral("9,10"), checks.is_medicare, "medicare"),
    _near("nz_ird", numeral("7,8"), stdnum("nz.ird"), "ird", "inland revenue"),
    _health(
        "nz_nhi",
        r"(?i)\b[A-HJ-NP-Z]{3}[0-9]{2}(?:[0-9]{2}|[A-HJ-NP-Z]{2})\b",
        checks.is_nhi,
        *("nhi", "national health index"),
    ),
    _near(
        "jp_my_number",
        numeral("11"),
        stdnum("jp.in_"),
        *("my number", "mynumber", "individual number", "kojin", "マイナンバー", "個人番号"),
    ),
    _near(
        "np_citizenship",
        r"\b[0-9]{1,4}(?:[-/][0-9]{1,6}){2,4}\b|\b[0-9]{8,13}\b",
        has_digits(7),
        *(r"citizenship (?:no|number|certificate|card|id)", r"nagarikt?a", "rastriya parichaya"),
    ),
    _near(
        "in_aadhaar",
        numeral("11"),
        stdnum("in_.aadhaar"),
        *(r"aadh?aa?r", "uidai", "uid"),
    ),
    _near("in_vid", numeral("15"), stdnum("in_.vid"), r"aadh?aa?r", "vid", "virtual id"),
    _near(
        "in_pan",
        r"(?i)\b[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]\b",
        stdnum("in_.pan"),
        *("pan", "permanent account"),
    ),
    _near("np_pan", numeral("8"), has_digits(9), "pan (?:card|number|no|id)", "permanent account"),
    _near(
        "in_epic", r"(?i)\b[A-Z]{3}[0-9]{7}\b", stdnum("in_.epic"), "epic", r"voters? ?(?:id|card)"
    ),
    _near(
        "th_pin_in_context",
        numeral("12"),
        stdnum("th.pin"),
        "thai",
        "pin",
        "บัตรประชาชน",
        "เลขประจำตัว",
    ),
    _near(
        "kr_rrn_in_context",
        r"\b[0-9]{6}[- ]?[0-9]{7}\b",
        checks.is_rrn,
        "rrn",
        "resident regist\\w+",
    ),
    _near(
        "il_id", r"\b[0-9]{7,8}-?[0-9]\b", stdnum("il.idnr"), "teudat", "israeli", "mispar zehut"
    ),
    _near(
        "tr_kimlik", r"\b[1-9][0-9]{10}\b", stdnum("tr.tckimlik"), "kimlik", "tckn", "tc", "turkish"
    ),
    _near("my_nric", numeral("11"), checks.is_mykad, "mykad", "nric", "kad pengenalan", "my ?kad"),
    _near("id_nik", numeral("15"), has_digits(16), "nik", "ktp", "induk kependudukan"),
    _near(
        "pk_cnic_in_context", r"\b[0-9]{5}-?[0-9]{7}-?[0-9]\b", stdnum("pk.cnic"), "cnic", "nadra"
    ),
)

_AMERICA_AFRICA = (
    _near(
        "us_ssn_in_context",
        r"\b[0-9]{3}[ .\-]?[0-9]{2}[ .\-]?[0-9]{4}\b",
        SSN,
        *("ssn", "social security", "itin", "tin", "taxpayer\\w*", "tax id\\w*", "social"),
    ),
    _near("us_atin", r"\b9[0-9]{2}-?93-?[0-9]{4}\b", has_digits(9), "atin", "adoption taxpayer"),
    _near("us_ptin", r"(?i)\bP-?[0-9]{8}\b", stdnum("us.ptin"), "ptin", "preparer"),
    _near("ca_sin", numeral("8"), stdnum("ca.sin"), "sin", "social insurance", "nas"),
    _health("ca_bc_phn", numeral("9"), stdnum("ca.bc_phn"), "phn", "personal health"),
    _near("br_cpf_in_context", numeral("10"), stdnum("br.cpf"), "cpf"),
    _near("cl_rut", r"\b[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-?[0-9Kk]\b", stdnum("cl.rut"), "ru[tn]"),
    _near("ar_dni", r"\b[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}\b", stdnum("ar.dni"), "dni", "documento"),
    _near("ar_cuit", r"\b[0-9]{2}-?[0-9]{8}-?[0-9]\b", stdnum("ar.cuit"), "cui[tl]"),
    _near("pe_cui", r"\b[0-9]{8}-?[0-9A-K]\b", stdnum("pe.cui"), "cui", "dni"),
    _near("ec_ci", r"\b[0-9]{9}-?[0-9]\b", stdnum("ec.ci"), "c[eé]dula", "ci"),
    _near("mx_rfc", r"(?i)\b[A-ZÑ&]{3,4}[0-9]{6}[A-Z0-9]{3}\b", stdnum("mx.rfc"), "rfc"),
    _near(
        "za_id",
        numeral("12"),
        checks.is_south_african,
        "s\\.?a\\.? id",
        "south african id",
        "rsa id",
        "id number",
        "id no",
        "identity (?:number|no)",
    ),
)

_EUROPE_WEST = (
    _health("gb_nhs", numeral("9"), stdnum("gb.nhs"), "nhs", "national health"),
    _near(
        "gb_utr", numeral("9"), stdnum("gb.utr"), "utr", "unique taxpayer\\w*", "self assessment"
    ),
    _near("gb_upn", r"(?i)\b[A-Z][0-9]{11}[0-9A-Z]\b", stdnum("gb.upn"), "upn", "pupil number"),
    _near(
        "gb_nino_in_context",
        r"(?i)\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ \-]?(?:[0-9]{2}[ \-]?){3}[A-D]\b",
        checks.is_nino,
        *("nino?", "national insurance", "ni (?:number|no)"),
    ),
    _near("ie_pps", r"(?i)\b[0-9]{7}[A-W][A-IWT]?\b", stdnum("ie.pps"), "ppsn?", "personal public"),
    _near("de_idnr", numeral("10"), stdnum("de.idnr"), r"steuer\S*", "idnr", "tax id\\w*", "tin"),
    _near(
        "de_steuernummer",
        r"\b[0-9]{2,5}[/ ][0-9]{3,4}[/ ][0-9]{4,5}\b|\b[0-9]{10,13}\b",
        stdnum("de.stnr"),
        r"steuer(?:nummer|nr|-nr)\S*",
        "stnr",
        "tax number",
    ),
    _near(
        "at_svnr", numeral("9"), stdnum("at.vnr"), "s\\.?v\\.?-?nr", r"(?:sozial)?versicherungs?\S*"
    ),
    _near(
        "at_tin",
        r"\b[0-9]{2}-?[0-9]{3}/?[0-9]{4}\b",
        stdnum("at.tin"),
        r"steuer\S*",
        r"abgabenk\S*",
    ),
    _near("ch_ahv_in_context", numeral("12"), stdnum("ch.ssn"), "ahv\\S*", "avs", r"sozialvers\S*"),
    _near(
        "fr_spi",
        numeral("12"),
        stdnum("fr.nif"),
        "num[eé]ro fiscal",
        "spi",
        "nif",
        "identifiant fiscal",
    ),
    _near(
        "fr_nir_in_context",
        numeral("12,14"),
        stdnum("fr.nir"),
        "nir",
        "s[eé]cu(?:rit[eé] sociale)?",
    ),
    _near(
        "nl_bsn",
        numeral("7,8"),
        stdnum("nl.bsn"),
        "bsn",
        "dutch",
        r"burger ?service\S*",
        "sofi\\S*",
    ),
    _near("nl_onderwijs", numeral("8"), stdnum("nl.onderwijsnummer"), r"onderwijs\S*"),
    _near(
        "nl_identity_card",
        r"(?i)\b[A-NP-Z]{2}[A-NP-Z0-9]{6}[0-9]\b",
        stdnum("nl.identiteitskaartnummer"),
        r"identiteitskaart\S*",
        r"paspoort\S*",
        "id-?kaart",
    ),
    _near(
        "be_insz_in_context",
        numeral("10"),
        checks.is_insz,
        r"rijksregister\S*",
        "insz",
        "niss",
        r"registre national",
    ),
    _near("lu_matricule", r"\b(?:19|20)[0-9]{11}\b", has_digits(13), "matricule", "cns"),
    _near("es_dni", r"(?i)\b[0-9]{8}[ -]?[A-Z]\b", stdnum("es.dni"), "dni", "nif", "documento"),
    _near(
        "es_nie", r"(?i)\b[XYZ]-?[0-9]{7}-?[A-Z]\b", stdnum("es.nie"), "nie", "nif", r"extranjer\w+"
    ),
    _near("es_nif", r"(?i)\b[KLM][0-9]{7}-?[A-Z]\b", stdnum("es.nif"), "nif"),
    _near("pt_nif", numeral("8"), stdnum("pt.nif"), "nif", "contribuinte"),
    _near(
        "pt_cc",
        r"(?i)\b[0-9]{8}[ -]?[0-9][ -]?[A-Z0-9]{2}[0-9]\b",
        stdnum("pt.cc"),
        r"cart[aã]o (?:de )?cidad[aã]o",
        "cc",
    ),
    _near(
        "it_cf_in_context",
        r"(?i)\b[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]\b",
        stdnum("it.codicefiscale"),
        "codice fiscale",
        "cf",
        "fiscal code",
    ),
    _near(
        "mt_id",
        r"(?i)\b[0-9]{3,7}[MGAPLHBZ]\b",
        has_digits(3),
        r"karta tal-identit\S+",
        "maltese id",
        "malta id",
    ),
    _near(
        "cy_tic", r"(?i)\b[0-9]{8}[A-Z]\b", checks.is_cyprus_tic, "tic", "cyprus tax", "cypriot tax"
    ),
    _near("gr_amka", numeral("10"), stdnum("gr.amka"), "amka", "αμκα"),
    _near("gr_afm", numeral("8"), stdnum("gr.vat"), "afm", "αφμ"),
)

_EUROPE_NORTH_EAST = (
    _near(
        "se_personnummer",
        r"\b(?:19|20)?[0-9]{6}[\-+ ]?[0-9]{4}\b",
        checks.is_personnummer,
        "personnummer",
        "personal identity",
        "samordningsnummer",
        "pnr",
    ),
    _near("dk_cpr", r"\b[0-9]{6}[\- ]?[0-9]{4}\b", checks.is_cpr, "cpr\\S*", "personnummer"),
    _near(
        "no_fodselsnummer",
        r"\b[0-9]{6}[ \-]?[0-9]{5}\b",
        checks.is_fodselsnummer,
        r"f(?:ø|o|oe)dselsn\S*",
        "personnummer",
        "d-nummer",
        "birth number",
        "norwegian",
    ),
    _near(
        "fi_hetu_in_context",
        r"(?i)\b[0-9]{6}[\-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b",
        stdnum("fi.hetu"),
        "hetu",
        r"henkil[oö]tunnus",
    ),
    _near("is_kennitala", r"\b[0-9]{6}-?[0-9]{4}\b", stdnum("is_.kennitala"), "kennitala", "kt"),
    _near("ee_isikukood", r"\b[1-8][0-9]{10}\b", stdnum("ee.ik"), "isikukood", "estonian"),
    _near(
        "lv_personas_kods", r"\b[0-9]{6}-?[0-9]{5}\b", stdnum("lv.pvn"), "personas kods", "latvian"
    ),
    _near("lt_asmens", r"\b[3-6][0-9]{10}\b", stdnum("lt.asmens"), "asmens", "lithuanian"),
    _near("pl_pesel", numeral("10"), stdnum("pl.pesel"), "pesel"),
    _near(
        "cz_sk_rc",
        r"\b[0-9]{6}/?[0-9]{3,4}\b",
        either(stdnum("cz.rc"), stdnum("sk.rc")),
        r"rodn[eé] \S*o",
        "birth number",
        "rc",
    ),
    _near("hu_tax", r"\b8[0-9]{9}\b", checks.is_hungarian_tax, r"ad[oó]azonos[ií]t[oó]\S*"),
    _near("hu_taj", numeral("8"), checks.is_taj, "taj\\S*", kind="health_id"),
    _near(
        "ro_cnp",
        r"\b[1-9][0-9]{12}\b",
        stdnum("ro.cnp"),
        "cnp",
        "cod numeric personal",
        "personal numeric",
        "romanian",
    ),
    _near(
        "bg_egn",
        numeral("9"),
        either(stdnum("bg.egn"), stdnum("bg.pnf")),
        "egn",
        "егн",
        "lnch?",
        "лнч",
        "pnf",
    ),
    _near("hr_oib", numeral("10"), stdnum("hr.oib"), "oib"),
    _near("si_emso", numeral("12"), stdnum("si.emso"), r"em[sš]o"),
    _near("si_davcna", numeral("7"), stdnum("si.ddv"), r"dav[cč]n\S*"),
    _near("ru_inn", numeral("11"), stdnum("ru.inn"), "inn", "инн"),
    _near("ua_rntrc", numeral("9"), stdnum("ua.rntrc"), "rntrc", "рнокпп", "іпн", "ipn"),
)

_DOCUMENTS = (
    _near(
        "driving_licence",
        r"\b[A-Za-z]{0,2}[0-9]{5,15}[A-Za-z]?\b|\b[A-Z9]{5}[0-9]{6}[A-Z9]{2}[0-9][A-Z]{2}\b",
        has_digits(5),
        *(r"driv(?:er|ing)(?:\W?s)? licen[sc]es?", "driver license number", "dl (?:number|no)"),
        *("führerschein\\S*", "licencia de conducir", "permis de conduire", "patente di guida"),
    ),
    _near(
        "passport",
        r"(?i)\b[A-Z]{0,2}[0-9]{6,9}[A-Z]?\b|\b[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}\b",
        has_digits(5),
        *("passports?", "reisepass\\S*", "pasaporte", "passeport", "passaporto?", "paspoort"),
        *("rahadani", "पासपोर्ट", "護照", "护照", "旅券"),
    ),
    _health(
        "medical_record",
        r"\b[A-Z]{0,3}-?[0-9]{5,12}\b",
        has_digits(5),
        *(
            "mrn",
            "medical record",
            "patient (?:id|number|no)",
            "health (?:card|insurance) (?:number|no|id)",
        ),
    ),
)

DETECTORS = (
    *_OCEANIA_ASIA,
    *_AMERICA_AFRICA,
    *_EUROPE_WEST,
    *_EUROPE_NORTH_EAST,
    *_DOCUMENTS,
)
