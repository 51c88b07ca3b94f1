"""How well findings match labelled spans: `situs eval sensitivity`.

Type names of Presidio and presidio-research are read as families, which are kinds of findings.
What gold types have no family is listed and left out: its characters, and findings that touch
nothing else, count for nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from situs.core.label import Finding
from situs.errors import ConfigError, OperatorError

Find = Callable[[str], list[Finding]]
Tier = Literal["structured", "full"]

STRUCTURED = frozenset(
    {
        *("email", "phone", "card", "iban", "bank_account", "national_id", "health_id"),
        *("ip", "mac", "url", "bic", "company_id", "crypto_wallet", "private_key", "credential"),
    }
)
"""Families of identifiers with a format or a checksum."""

OTHER = frozenset({"person", "address", "organisation", "date", "date_of_birth"})

_FAMILIES: dict[str, str] = {
    **dict.fromkeys(
        ("LOCATION", "GPE", "LOC", "FAC", "ADDRESS", "STREET_ADDRESS", "ZIP", "ZIP_CODE", "CITY"),
        "address",
    ),
    **dict.fromkeys(("STATE", "COUNTRY", "POSTCODE", "POSTAL_CODE", "BUILDING_NUMBER"), "address"),
    **dict.fromkeys(("PERSON", "PER", "NAME", "FIRST_NAME", "LAST_NAME", "FULL_NAME"), "person"),
    **dict.fromkeys(("ORGANIZATION", "ORGANISATION", "ORG", "COMPANY"), "organisation"),
    **dict.fromkeys(("DATE_TIME", "DATE"), "date"),
    **dict.fromkeys(("EMAIL_ADDRESS", "EMAIL"), "email"),
    **dict.fromkeys(("PHONE_NUMBER", "PHONE", "UK_PHONE_NUMBER"), "phone"),
    **dict.fromkeys(("CREDIT_CARD", "CARD", "CREDIT_CARD_NUMBER"), "card"),
    **dict.fromkeys(("IBAN_CODE", "IBAN"), "iban"),
    **dict.fromkeys(("US_BANK_NUMBER", "ABA_ROUTING_NUMBER"), "bank_account"),
    **dict.fromkeys(("BIC", "SWIFT", "BIC_CODE", "SWIFT_CODE"), "bic"),
    **dict.fromkeys(
        ("AU_ABN", "AU_ACN", "SG_UEN", "IT_VAT_CODE", "IN_GSTIN", "KR_BRN", "DE_VAT_ID", "US_EIN"),
        "company_id",
    ),
    **dict.fromkeys(("IP_ADDRESS", "IP", "IPV4", "IPV6"), "ip"),
    **dict.fromkeys(("MAC_ADDRESS", "MAC"), "mac"),
    **dict.fromkeys(("URL", "DOMAIN_NAME", "DOMAIN"), "url"),
    **dict.fromkeys(("CRYPTO", "BITCOIN", "CRYPTO_WALLET"), "crypto_wallet"),
    **dict.fromkeys(("PASSWORD", "API_KEY", "CREDENTIAL", "SECRET"), "credential"),
    **dict.fromkeys(("DATE_OF_BIRTH", "DOB"), "date_of_birth"),
    **dict.fromkeys(
        (
            *("UK_NHS", "AU_MEDICARE", "US_MBI", "MEDICAL_LICENSE", "US_NPI", "MEDICAL_RECORD"),
            *("KR_HEALTH_INSURANCE", "HEALTH_ID"),
        ),
        "health_id",
    ),
    **dict.fromkeys(
        (
            *("US_SSN", "US_ITIN", "US_DRIVER_LICENSE", "UK_NINO", "UK_DRIVING_LICENCE"),
            *("ES_NIF", "ES_NIE", "IT_FISCAL_CODE", "IT_DRIVER_LICENSE", "IT_IDENTITY_CARD"),
            *("PL_PESEL", "SG_NRIC_FIN", "AU_TFN", "IN_PAN", "IN_AADHAAR", "IN_VOTER"),
            *("FI_PERSONAL_IDENTITY_CODE", "KR_RRN", "KR_FRN", "KR_DRIVER_LICENSE", "TH_TNIN"),
            *("SE_PERSONNUMMER", "NG_NIN", "TR_NATIONAL_ID", "CA_SIN", "DE_TAX_ID", "DE_ID_CARD"),
            *("US_PASSPORT", "UK_PASSPORT", "IT_PASSPORT", "IN_PASSPORT", "KR_PASSPORT"),
            *("DE_PASSPORT", "PASSPORT", "NATIONAL_ID", "SSN", "DRIVER_LICENSE"),
        ),
        "national_id",
    ),
}
_WARM = 50
"""Rows that are read once more before the time is taken."""

_AS_ONE = {"date_of_birth": "date", "location": "address"}
"""A date of birth is a date where the gold type is only that, and the other way round;
a place that is only mentioned is of the family of addresses, as gold types have it."""


class _Span(Struct, frozen=True):
    start: int
    end: int
    family: str
    name: str = ""

    def overlap(self, other: _Span) -> int:
        return min(self.end, other.end) - max(self.start, other.start)


def evaluate(
    rows: Sequence[Mapping[str, Any]],
    find: Find,
    types: Mapping[str, str] | None = None,
    tier: Tier = "full",
) -> dict[str, Any]:
    """The figures over rows of `text` and `spans` (each `start`, `end` in code points, and `type`).

    `types` adds to the table from gold types to families, or changes it. With the tier
    `structured`, gold spans of other families are left out too. Raises OperatorError for a family
    that does not exist, ConfigError for a span outside its text, with the row's place (`at`).
    """
    table = _table(types or {}, tier)
    tally = _Tally()
    spent, size = 0.0, 0
    for row in rows[:_WARM]:
        find(row["text"])
    for number, row in enumerate(rows, 1):
        text = row["text"]
        gold, left = _gold(row, table, number)
        began = time.process_time()
        findings = find(text)
        spent += time.process_time() - began
        size += len(text.encode("utf-8", "replace"))
        tally.left.update(span.name for span in left)
        tally.add(text, gold, left, _found(findings, tier))
    return {**tally.figures(), "ms_per_kb": _ratio(spent * 1e3, size / 1024)}


def family_of(name: str) -> str | None:
    """The family that a type of span is of, if there is one."""
    return _table({}, "full").get(_plain(name))


def family(kind: str) -> str:
    """The family of a finding's kind or of one in the table of types."""
    return _AS_ONE.get(kind, kind)


def _table(types: Mapping[str, str], tier: Tier) -> dict[str, str]:
    known = STRUCTURED | OTHER
    for name, chosen in types.items():
        if chosen not in known:
            raise OperatorError(
                f"the type {name} is mapped to a family that does not exist",
                do=f"Use one of {', '.join(sorted(known))}.",
            )
    table = {kind.upper(): kind for kind in known} | _FAMILIES
    table |= {_plain(name): chosen for name, chosen in types.items()}
    wanted = known if tier == "full" else STRUCTURED
    return {name: family(kind) for name, kind in table.items() if kind in wanted}


def _plain(name: str) -> str:
    return name.strip().upper().replace(" ", "_").replace("-", "_")


def _gold(
    row: Mapping[str, Any], table: Mapping[str, str], number: int
) -> tuple[list[_Span], list[_Span]]:
    """The spans with a family, and those without."""
    gold: list[_Span] = []
    left: list[_Span] = []
    for span in row["spans"]:
        start, end, name = span["start"], span["end"], str(span["type"])
        if not 0 <= start < end <= len(row["text"]):
            raise ConfigError(
                f"{row.get('at', f'row {number}')}: a span of the type {name} does not lie within "
                "its text.",
                do="Offsets are code points from 0; the end is behind the last one.",
            )
        chosen = table.get(_plain(name))
        (left if chosen is None else gold).append(_Span(start, end, chosen or "", name))
    return gold, left


def _found(findings: Iterable[Finding], tier: Tier) -> list[_Span]:
    return [
        _Span(one.start, one.end, family(one.kind))
        for one in findings
        if tier == "full" or one.kind in STRUCTURED
    ]


class _Pairs(Struct):
    """What was right of what was found, and what was found of what is there."""

    right: int = 0
    found: int = 0
    met: int = 0
    gold: int = 0

    def add(self, right: int, found: int, gold: int) -> None:
        self.right += right
        self.met += right
        self.found += found
        self.gold += gold

    def figures(self) -> dict[str, float | None]:
        precision, recall = _ratio(self.right, self.found), _ratio(self.met, self.gold)
        return {
            "precision": precision,
            "recall": recall,
            "f1": _f(precision, recall, 1),
            "f2": _f(precision, recall, 2),
        }


class _Tally:
    """The counts over all rows."""

    def __init__(self) -> None:
        self.chars, self.typed, self.exact = _Pairs(), _Pairs(), _Pairs()
        self.structured, self.documents = _Pairs(), _Pairs()
        self.right: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.gold: Counter[tuple[str, str]] = Counter()
        self.met: Counter[tuple[str, str]] = Counter()
        self.left: Counter[str] = Counter()
        self.rows = 0

    def add(self, text: str, gold: list[_Span], left: list[_Span], found: list[_Span]) -> None:
        ignored = _cover(text, left)
        real, seen = _cover(text, gold), _cover(text, found)
        counted = [
            not char.isspace() and (is_gold or not is_left)
            for char, is_gold, is_left in zip(text, real, ignored, strict=True)
        ]
        self.chars.add(
            sum(a and b and c for a, b, c in zip(real, seen, counted, strict=True)),
            sum(b and c for b, c in zip(seen, counted, strict=True)),
            sum(a and c for a, c in zip(real, counted, strict=True)),
        )
        found = [span for span in found if _touches(span, gold) or not _touches(span, left)]
        pairs = _matched(gold, found)
        self.typed.add(len(pairs), len(found), len(gold))
        offsets = {(span.start, span.end, span.family) for span in gold}
        exact = offsets & {(span.start, span.end, span.family) for span in found}
        self.exact.add(len(exact), len(found), len(gold))
        self.structured.add(
            sum(span.family in STRUCTURED for span, _ in pairs),
            sum(span.family in STRUCTURED for span in found),
            sum(span.family in STRUCTURED for span in gold),
        )
        self.documents.add(bool(gold and found), bool(found), bool(gold))
        self.right.update(span.family for span, _ in pairs)
        self.found.update(span.family for span in found)
        self.gold.update((span.name, span.family) for span in gold)
        self.met.update((span.name, span.family) for span, _ in pairs)
        self.rows += 1

    def figures(self) -> dict[str, Any]:
        clean = self.rows - self.documents.gold
        flagged = self.documents.found - self.documents.right
        return {
            "rows": self.rows,
            "chars": self.chars.figures(),
            "typed": self.typed.figures(),
            "exact": self.exact.figures(),
            "structured": self.structured.figures(),
            "by_type": {key[0]: self._of_type(key) for key in sorted(self.gold)},
            "by_family": {name: self._of_family(name) for name in sorted(self._families())},
            "documents": {
                **self.documents.figures(),
                "clean": clean,
                "clean_flagged": _ratio(flagged, clean),
            },
            "unmapped": dict(sorted(self.left.items())),
        }

    def _families(self) -> set[str]:
        return {*self.found, *(chosen for _, chosen in self.gold)}

    def _of_type(self, key: tuple[str, str]) -> dict[str, Any]:
        """Recall is the type's own, precision that of its family: findings know no type."""
        chosen = key[1]
        pairs = _Pairs(self.right[chosen], self.found[chosen], self.met[key], self.gold[key])
        return {"family": chosen, "gold": pairs.gold, "met": pairs.met, **pairs.figures()}

    def _of_family(self, chosen: str) -> dict[str, Any]:
        gold = sum(count for key, count in self.gold.items() if key[1] == chosen)
        right, found = self.right[chosen], self.found[chosen]
        return {"gold": gold, "found": found, **_Pairs(right, found, right, gold).figures()}


def _cover(text: str, spans: Iterable[_Span]) -> bytearray:
    """1 for every character that a span covers."""
    covered = bytearray(len(text))
    for span in spans:
        covered[span.start : span.end] = b"\1" * (span.end - span.start)
    return covered


def _touches(span: _Span, others: Iterable[_Span]) -> bool:
    return any(span.overlap(other) > 0 for other in others)


def _matched(gold: list[_Span], found: list[_Span]) -> list[tuple[_Span, _Span]]:
    """One to one, same family, any overlap: the greatest overlaps first."""
    pairs = sorted(
        (
            (one.overlap(other), -first, -second)
            for first, one in enumerate(gold)
            for second, other in enumerate(found)
            if one.family == other.family and one.overlap(other) > 0
        ),
        reverse=True,
    )
    chosen: list[tuple[_Span, _Span]] = []
    used: set[int] = set()
    met: set[int] = set()
    for _, first, second in pairs:
        if first not in met and second not in used:
            met.add(first)
            used.add(second)
            chosen.append((gold[-first], found[-second]))
    return chosen


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _f(precision: float | None, recall: float | None, beta: int) -> float | None:
    """The F measure that weighs recall `beta` times precision."""
    if recall is None:
        return None
    precision, square = precision or 0.0, beta * beta
    return _ratio((1 + square) * precision * recall, square * precision + recall) or 0.0
