"""From findings, the declared label and the defaults to one label, with the reasons."""

from __future__ import annotations

from situs.analysis.sensitivity.views import MEDIA
from situs.core.label import Label, LabelReason, highest
from situs.core.request import Modality, Request
from situs.core.snapshot import Labels

DEFAULT_FLOORS: dict[str, Label] = {
    **dict.fromkeys(("location", "organisation", "url", "date"), Label.PUBLIC),
    **dict.fromkeys(
        ("person", "email", "phone", "address", "ip", "mac", "bic", "company_id", MEDIA),
        Label.INTERNAL,
    ),
    **dict.fromkeys(
        ("card", "iban", "bank_account", "crypto_wallet", "national_id", "health_id"),
        Label.CONFIDENTIAL,
    ),
    "date_of_birth": Label.CONFIDENTIAL,
    **dict.fromkeys(("private_key", "credential", "unread"), Label.RESTRICTED),
}
"""The label that a finding of each kind sets as a floor. A kind not listed is `restricted`."""

MAX_REASONS = 16


def label(
    request: Request, labels: Labels, counts: dict[str, int], data: tuple[str, ...] = ()
) -> tuple[Label, tuple[LabelReason, ...]]:
    """The highest label that any reason asks for; reasons with the highest label first.

    `counts` is the number of findings by kind, `data` names the data sets that are drawn on; one
    that is not declared is `restricted`.
    """
    reasons = [
        LabelReason(
            _floor(kind, labels),
            "finding",
            kind if count == 1 else f"{kind} \N{MULTIPLICATION SIGN}{count}",
        )
        for kind, count in counts.items()
    ]
    if request.ask.label is not None:
        reasons.append(LabelReason(request.ask.label, "declared", request.ask.label))
    if request.session_label > Label.PUBLIC:
        reasons.append(LabelReason(request.session_label, "session", request.session_label))
    for name in data:
        known = labels.data.get(name, Label.RESTRICTED)
        reasons.append(LabelReason(known, "data", name))
    if request.modalities != _READ:
        reasons.extend(
            LabelReason(labels.unread, "unread", modality.value)
            for modality in request.modalities - _READ
        )
    if not reasons or labels.default > Label.PUBLIC:
        reasons.append(LabelReason(labels.default, "default", labels.default))
    reasons.sort(key=lambda reason: (-reason.label.rank, reason.source, reason.detail))
    return highest(reason.label for reason in reasons), tuple(reasons[:MAX_REASONS])


def _floor(kind: str, labels: Labels) -> Label:
    """What a finding asks for; media in a text ask for no less than what is sent as media."""
    floor = labels.floors.get(kind, Label.RESTRICTED)
    return max(floor, labels.unread) if kind == MEDIA else floor


_READ = frozenset({Modality.TEXT})
