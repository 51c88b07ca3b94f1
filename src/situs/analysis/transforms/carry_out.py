"""Carries obligations out on a request: what was found is redacted, or a pseudonym stands for it.

It is done by value: what was found in one place is replaced wherever it stands, in texts, in keys,
in numbers and in the JSON source of tool-call arguments.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from situs.analysis.sensitivity.scan import UNREAD
from situs.analysis.sensitivity.views import MEDIA
from situs.analysis.texts import SOURCE_KEY, Form, Unchangeable, rewritten, texts_of
from situs.analysis.transforms.pairs import (
    ATTEMPTS,
    PSEUDONYMISE,
    REDACT,
    TELLING,
    Value,
    pairs_of,
)
from situs.analysis.transforms.pseudonyms import SECRET, Pseudonyms
from situs.analysis.transforms.restore import Restoration
from situs.analysis.transforms.swap import TOO_MUCH, Pair, Swapper, Swaps, plain
from situs.core.decision import Obligation
from situs.core.label import Finding
from situs.core.request import Modality, Request
from situs.errors import InvalidRequest

STRIP_ATTACHMENTS: Final = "strip_attachments"

_STRIPPED = frozenset(Modality) - {Modality.TOKENS}
"""What is read of a request, or goes with its attachments."""

_MOST_STEPS = 100_000_000

_JOINED = re.compile(r"""(?:\\?["'`]\s{0,20}[+.,\\]?\s{0,20}\\?["'`][A-Za-z0-9_+/=\-]{6,256})+""")
"""What code puts together with the text before it: a secret in two strings is one."""

KEY_HEADS = frozenset({"private_key_block", "putty_key", "openssh_key"})
"""Detectors that find how a key begins."""

KEY_FOOT = re.compile(r"(?i)END[^\n]{0,60}KEY[^\n]{0,24}")
"""How it ends."""

_encode = msgspec.json.Encoder().encode


class Sent(Struct, frozen=True):
    """What may be sent, and how to undo it. With `refused` (a reason code) nothing may be.

    `applied` says how often each obligation was carried out, `kinds` what they were about (None:
    anything), `placed` holds what now stands for something, `originals` what must not leave.
    """

    request: Request
    applied: dict[str, int] = {}
    restore: Restoration | None = None
    refused: str | None = None
    kinds: frozenset[str] | None = frozenset()
    placed: frozenset[str] = frozenset()
    originals: frozenset[tuple[str, str]] = frozenset()

    def __repr__(self) -> str:
        return f"Sent({self.request.id!r}, applied={self.applied!r}, refused={self.refused!r})"


def carry_out(
    request: Request, findings: Sequence[Finding], obligations: Sequence[Obligation], key: bytes
) -> Sent:
    """The request as it may leave under those of the obligations that are about texts.

    `key` is the gateway's own: pseudonyms are drawn from it with the tenant and the id of the
    request, or of its session where the obligation says so. What is to be redacted and to be
    pseudonymised is redacted; where scopes differ the narrower holds. In what nobody reads (images,
    token ids) nothing can be hidden: it is refused, unless its attachments are stripped.
    """
    owed = [one for one in obligations if one.kind in (REDACT, PSEUDONYMISE)]
    kinds = _kinds(owed)
    mine = [
        one
        for one in findings
        if owed and (kinds is None or one.kind in kinds) and one.kind != MEDIA
    ]
    stripped = any(one.kind == STRIP_ATTACHMENTS for one in obligations)
    unread = request.modalities - (_STRIPPED if stripped else {Modality.TEXT})
    seen = [one for one in findings if not (stripped and one.kind == MEDIA)]
    if owed and (unread or any(is_unread(one, kinds) for one in seen)):
        return Sent(request, refused="unread", kinds=kinds)
    if not mine:
        return Sent(request, kinds=kinds)
    try:
        return _carried(request, _values(request, mine, owed, key), owed)
    except (Unchangeable, InvalidRequest, RecursionError, ValueError) as problem:
        return Sent(request, refused=getattr(problem, "code", "unchangeable"), kinds=kinds)


def is_unread(finding: Finding, kinds: frozenset[str] | None) -> bool:
    """Whether it stands for what was not read, and something of these kinds may be there; anything
    may be in a picture."""
    about = kinds is None or finding.kind in kinds or finding.kind == UNREAD
    return finding.kind == MEDIA or (finding.detector == UNREAD and about)


def _kinds(owed: Sequence[Obligation]) -> frozenset[str] | None:
    if any(not one.findings for one in owed):
        return None
    return frozenset(kind for one in owed for kind in one.findings)


def _values(
    request: Request, findings: Sequence[Finding], owed: Sequence[Obligation], key: bytes
) -> list[Value]:
    """What was found, once each. Where the same was found as several things, one of them to be
    redacted, it is that."""
    redacted = [one for one in owed if one.kind == REDACT]
    narrow = [one for one in owed if one.kind == PSEUDONYMISE and one.scope != "session"]
    kinds: dict[str, str] = {}
    sides: dict[str, set[tuple[str, str]]] = {}
    for finding in findings:
        text, before, behind = _found(request, finding)
        sides.setdefault(text, set()).add((before, behind))
        if text not in kinds or _about(finding.kind, redacted):
            kinds[text] = finding.kind
    return [
        Value(
            text,
            kind,
            frozenset(sides[text]),
            f"[{kind.upper()}]" if _about(kind, redacted) else None,
            _key(request, key, narrow=_about(kind, narrow)),
        )
        for text, kind in kinds.items()
        if text
    ]


def _found(request: Request, finding: Finding) -> tuple[str, str, str]:
    """What was found, without the space around it, and the characters before and behind it.

    A key whose end was not read goes on to the end of the text.
    """
    part = request.texts[finding.part]
    text, start, end = part.text, finding.start, finding.end
    if finding.detector in KEY_HEADS and not KEY_FOOT.search(text, start, end):
        foot = KEY_FOOT.search(text, end)
        end = len(text) if foot is None else foot.end()
    if finding.kind in SECRET and (more := _JOINED.match(text, end)):
        end = more.end()
    if part.path.rpartition(".")[2] == SOURCE_KEY:
        inside, before, behind = plain(text, start, end)
    else:
        before, inside, behind = text[:start][-1:], text[start:end], text[end : end + 1]
    bare = inside.strip()
    if not bare:
        return inside, before, behind
    head, tail = inside.partition(bare)[::2]
    return bare, head[-1:] or before, tail[:1] or behind


def _carried(request: Request, values: Sequence[Value], owed: Sequence[Obligation]) -> Sent:
    """Tries again with other pseudonyms where giving back would not give what was."""
    taken = _taken(request, [one.text for one in values])
    refused = "not_restorable"
    for attempt in range(ATTEMPTS):
        try:
            pairs = list(pairs_of(values, Pseudonyms(taken), attempt))
            sent = _exchanged(request, pairs)
        except Unchangeable as problem:
            refused = problem.code
            if refused == TOO_MUCH:
                break
            continue
        if sent is not None:
            return replace(
                sent,
                kinds=_kinds(owed),
                placed=frozenset(text for pair in pairs for text in (pair.here, _zeros(pair))),
                originals=frozenset((one.kind, one.text) for one in values),
            )
    return Sent(request, refused=refused, kinds=_kinds(owed))


def _about(kind: str, owed: Sequence[Obligation]) -> bool:
    return any(not one.findings or kind in one.findings for one in owed)


def _key(request: Request, key: bytes, *, narrow: bool) -> bytes:
    """Of the session, if it has one and all that is owed allows it; else of this request."""
    session = None if narrow else request.ask.session
    scope = ("request", request.id) if session is None else ("session", session)
    name = msgspec.msgpack.encode((request.principal.tenant, *scope))
    return hmac.digest(key, name, "sha256")


def _taken(request: Request, originals: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text is in the request or in what is to be hidden, or that is in it."""
    whole = "\n".join((*(text.text for text in request.texts), *originals)).lower()
    long = [one.lower() for one in originals if len(one) >= TELLING]

    def taken(made: str) -> bool:
        low = made.lower()
        return low in whole or any(one in low for one in long)

    return taken


def _exchanged(request: Request, pairs: Sequence[Pair]) -> Sent | None:
    """The request with all pairs exchanged; None where that cannot be undone exactly."""
    counts: Counter[str] = Counter()
    document = _swapped(request.document, pairs, counts)
    hidden = [pair for pair in pairs if pair.why == PSEUDONYMISE]
    restore = Restoration.of(hidden) if hidden else None
    if restore is not None:
        kept = [replace(one, here=one.there) if one.why == PSEUDONYMISE else one for one in pairs]
        back = rewritten(document, lambda text, form: restore.back(text, form is Form.SOURCE))
        if _said(back) != _said(_swapped(request.document, kept, Counter())):
            return None
    body = _encode(document)
    changed = replace(
        request, document=document, texts=texts_of(document), body=body, size=len(body)
    )
    return Sent(changed, dict(counts), restore)


def _swapped(
    document: dict[str, Any], pairs: Sequence[Pair], counts: Counter[str]
) -> dict[str, Any]:
    """Among numbers, and where JSON source would be none with it, a placeholder is zero."""
    there = [replace(one, loose=False) for one in pairs if not one.answers]
    swaps, zero = Swaps(there), Swaps(replace(one, here=_zeros(one)) for one in there)
    steps = [0]
    ways = {Form.TEXT: (swaps,), Form.SOURCE: (swaps, zero), Form.NUMBERS: (zero,)}

    def change(text: str, form: Form) -> str:
        source = form is Form.SOURCE
        for way in ways[form]:
            one = Swapper(way, source=source, most=_MOST_STEPS - steps[0])
            made = one.feed(text) + one.close()
            steps[0] += one.steps
            if made == text or not source or _is_json(made) or not _is_json(text):
                counts.update(one.counts)
                return made
        raise Unchangeable("source")

    return rewritten(document, change)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False
    return True


def _zeros(pair: Pair) -> str:
    """What stands for a number that is to stay one."""
    number = pair.why == REDACT and not any(map(str.isalpha, pair.there))
    return re.sub(r"\d+", "0", pair.there) if number else pair.here


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """The document with JSON source unescaped: there are several ways to write the same."""
    return rewritten(
        document, lambda text, form: plain(text, 0, len(text))[0] if form is Form.SOURCE else text
    )
