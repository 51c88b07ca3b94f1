"""The `x-situs-*` headers: what a caller may ask, what an answer says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from situs.analysis.sensitivity.money import card_spans, is_card, is_issued
from situs.core.label import Label
from situs.core.request import AUTO, Ask, Objective
from situs.errors import InvalidRequest, SitusError
from situs.placement.modes import decided

if TYPE_CHECKING:
    from situs.gateway import Answer

Headers = list[tuple[bytes, bytes]]

_PREFIX = b"x-situs-"
_OURS = re.compile(rb"(?:x[^a-z0-9]*)?situs")
"""How a name of ours may come out of a proxy, or of a client that misspells it."""
_SHOWN = re.compile(rb"[a-z_-]{1,64}")
_MAX_LENGTH = 256
_VAST = 1e9


def _text(value: str) -> str:
    if not value.isprintable() or not value:
        raise ValueError("not a printable word")
    return value


def _positive(value: str) -> float:
    """To six digits: what is asked is kept, and must not be long enough to be a card."""
    number = float(value)
    if not 0 <= number < _VAST:
        raise ValueError("not a number from 0 to below a billion")
    return float(f"{number:.6g}")


def _criticality(value: str) -> str:
    if value not in ("advisory", "operational"):
        raise ValueError("not advisory or operational")
    return value


REQUEST_HEADERS: dict[bytes, tuple[str, Callable[[str], Any]]] = {
    b"x-situs-label": ("label", Label.parse),
    b"x-situs-objective": ("objective", Objective),
    b"x-situs-session": ("session", _text),
    b"x-situs-data": ("data", _text),
    b"x-situs-max-cost": ("max_cost", _positive),
    b"x-situs-slo-ttft-ms": ("slo_ttft_s", lambda value: _positive(value) / 1000),
    b"x-situs-deadline": ("deadline_s", _positive),
    b"x-situs-criticality": ("criticality", _criticality),
}
"""Header name to the field of `Ask` it sets, and how its value is read."""

_EXPECTED = {
    b"x-situs-label": ", ".join(Label),
    b"x-situs-objective": ", ".join(Objective),
    b"x-situs-criticality": "advisory, operational",
    b"x-situs-session": "one printable line of at most 256 characters",
    b"x-situs-data": "one printable line of at most 256 characters",
}
"""What a value must be; a number where nothing is said."""

_RESPONSE_ONLY = frozenset(
    _PREFIX + name
    for name in (
        b"request-id", b"locus", b"jurisdiction", b"deployment", b"reason", b"policy", b"cost",
        b"saved", b"attempts", b"overhead-ms", b"receipt", b"obligations",
    )
)  # fmt: skip


def ask_of(headers: Mapping[bytes, bytes]) -> Ask:
    """What the headers ask. Raises InvalidRequest for an unknown name or an unreadable value.

    A name that is ours but for its spelling (`x_situs_label`) is unknown: it is not passed over.

    Names that only responses carry are dropped.
    """
    fields: dict[str, Any] = {}
    for name, value in headers.items():
        if b"situs" not in name or name in _RESPONSE_ONLY:
            continue
        if name not in REQUEST_HEADERS:
            if _OURS.match(name) is None:
                continue
            raise _unknown(name)
        field, read = REQUEST_HEADERS[name]
        try:
            if len(value) > _MAX_LENGTH:
                raise ValueError("too long")
            fields[field] = read(value.decode("ascii").strip())
        except ValueError:
            expected = _EXPECTED.get(name, "a number from 0 to below a billion")
            raise InvalidRequest(
                f"The header {name.decode()} has no value it can take: {expected}.",
                param=name.decode(),
            ) from None
    return Ask(**fields) if fields else _NOTHING_ASKED


_NOTHING_ASKED = Ask()


_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def trace_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's `traceparent`; None for one that is not valid, or holds a card number.

    Source: W3C Trace Context, section 3.2. Of a later version its first four fields count.
    """
    raw = headers.get(b"traceparent")
    match = _TRACEPARENT.fullmatch(raw) if raw is not None and len(raw) <= _MAX_LENGTH else None
    if match is None:
        return None
    version, trace, parent, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not trace.strip(b"0"):
        return None
    kept = match[0][:55].decode("ascii")
    return None if not parent.strip(b"0") or _holds_card(kept) else kept


_DIGITS = re.compile("0*([1-9][0-9]{12,})")


def _holds_card(trace: str) -> bool:
    """Among hexadecimal digits a card is as good as anywhere; of random ones, one in 5,000 is."""
    return any(
        is_issued(run[start:end]) and is_card(run[start:end])
        for run in _DIGITS.findall(trace)
        for start, end in card_spans(run)
    )


def _unknown(name: bytes) -> InvalidRequest:
    """A name that is long or has digits in it may be content: it is not said."""
    text = name.decode() if _SHOWN.fullmatch(name) else "x-situs-..."
    spelt = re.sub(r"[^a-z0-9]+", "-", name.decode("ascii", "replace"))
    near = difflib.get_close_matches(spelt, [known.decode() for known in REQUEST_HEADERS], n=1)
    hint = f"Did you mean {near[0]}?" if near else "Leave it out."
    return InvalidRequest(f"The header {text} means nothing to Situs.", param=text, do=hint)


def facts(answer: Answer, whole: bool = True) -> dict[str, Any]:
    """What is known about an answer now, by the header's name less its prefix.

    `whole`: all of it is here.
    """
    decision, deployment, bill = answer.decision, answer.deployment, answer.bill()
    attempts = answer.walk.tried
    known: dict[str, Any] = {
        "request-id": answer.request.id,
        "locus": deployment and deployment.locus.name,
        "jurisdiction": deployment and deployment.locus.jurisdiction,
        "deployment": deployment and deployment.name,
        "reason": reason(answer),
        "label": decision.analysis.label,
        "policy": decision.policy.policy,
        "cost": _money(bill.cost, bill.currency),
        "saved": _money(bill.saved, bill.currency),
        "attempts": attempts,
        "overhead-ms": f"{answer.overhead_s() * 1000:.2f}",
        "receipt": str(answer.receipt),
        "obligations": obligations(answer, whole),
    }
    return {name: value for name, value in known.items() if value is not None}


def obligations(answer: Answer, whole: bool) -> str | None:
    """How often each was carried out, there where the request is: `answer_scan=0, redact=2`.

    None where none was; of an answer that is not `whole` yet nothing is said.
    """
    applied = answer.walk.applied.items()
    return ", ".join(f"{kind}={count}" for kind, count in applied if count or whole) or None


def response_headers(answer: Answer) -> Headers:
    return [
        (_PREFIX + name.encode(), str(value).encode("ascii", "replace"))
        for name, value in facts(answer, not answer.request.stream).items()
    ]


def finals(answer: Answer) -> dict[str, Any]:
    """The same facts for the last usage chunk of a stream, with underscores."""
    return {name.replace("-", "_"): value for name, value in facts(answer).items()}


def reason(answer: Answer) -> str:
    """Why there, in a word: an error code, what happened on the way (`escalated`, `hedged`,
    `failover`), `route_answer`, `pinned`, `only_candidate`, the mode where it puts
    this one first, or the objective.
    """
    if isinstance(answer.error, SitusError):
        return answer.error.code
    if (detour := answer.walk.detour) is not None:
        return detour
    if answer.own:
        return "route_answer"
    routed = answer.decision.analysis.routed
    if answer.request.model != AUTO and routed is None:
        return "pinned"
    placement = answer.decision.placement
    if len(placement.ranked) == 1:
        return "only_candidate"
    return decided(placement, answer.deployment)


def _money(amount: float | None, currency: str | None) -> str | None:
    return None if amount is None else f"{amount:.8f} {currency}"
