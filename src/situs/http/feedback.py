"""What an answer was worth, over HTTP: `POST /situs/v1/feedback`."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from situs.errors import InvalidRequest, StoreError
from situs.http.app import Call
from situs.http.auth import ANYONE
from situs.http.respond import send_json
from situs.stores.feedback import Source, Word, say
from situs.trust.api_keys import Scope

PATH = "/situs/v1/feedback"
_MEND = "The operator finds in the gateway's log what is wrong, and what to do."
_log = logging.getLogger(__name__)


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `acceptable` or `score`. `source` says what judged, such as `thumbs` or `tests`."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    acceptable: bool | None = None
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    source: Source | None = None


_read = msgspec.json.Decoder(Given).decode


class FeedbackDesk:
    """Takes what callers say of answers. `clock` is wall time.

    A key rates its tenant's requests, as do all together who show none. A key with the scope
    `admin` rates all, and is trusted.
    """

    def __init__(self, data: Path, clock: Callable[[], float]) -> None:
        self._data = data
        self._clock = clock

    async def __call__(self, call: Call) -> None:
        """Raises InvalidRequest for what is no feedback, and where no such answer is on record.

        Raises StoreError without a path: what is wrong on this machine is for its log alone.
        """
        try:
            given = _read(call.body)
        except msgspec.MsgspecError as error:
            raise _no_feedback(_ALLOWED.get(_field_in(str(error)))) from None
        if (given.acceptable is None) == (given.score is None):
            raise _no_feedback()
        score = float(bool(given.acceptable)) if given.score is None else given.score
        caller = call.caller.principal
        admin = Scope.ADMIN in call.caller.scopes and call.caller != ANYONE
        tenant = None if admin else caller.tenant
        word = Word(given.id, score, caller.key, tenant, admin, given.source)
        try:
            kept = await asyncio.to_thread(say, self._data, word, self._clock())
        except StoreError as error:
            _log.error("feedback is not kept: %s %s", error.message, error.advice)
            raise StoreError("Feedback cannot be kept now.", do=_MEND) from None
        told = {"id": kept.id, "model": kept.model, "kind": kept.kind, "score": kept.score}
        await send_json(call.send, 200, told)


_ALLOWED: Final = {
    "id": "`id` is text of 1 to 128 characters",
    "acceptable": "`acceptable` is true or false",
    "score": "`score` is a number from 0 to 1",
    "source": "`source` is a word of at most 20 letters and dashes",
}


def _field_in(said: str) -> str:
    """Of which field msgspec speaks: "" where it is none, or one that nobody knows."""
    found = re.search(r"- at `\$\.(\w+)`\Z", said)
    return found[1] if found else ""


def _no_feedback(because: str | None = None) -> InvalidRequest:
    return InvalidRequest(
        f"The body is no feedback: {because}." if because else "The body is no feedback.",
        do='Send {"id": "…", "acceptable": true}, or a "score" from 0 to 1 instead.',
    )
