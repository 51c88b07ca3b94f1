"""What waits for a person, over HTTP: `GET /situs/v1/approvals`, `POST /situs/v1/approvals/ID`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from situs.errors import InvalidRequest
from situs.http.app import Call
from situs.http.respond import send_json
from situs.stores.approvals import decide, waiting

PATH = "/situs/v1/approvals"


class Word(Struct, forbid_unknown_fields=True):
    """A person's word."""

    approve: bool


_read = msgspec.json.Decoder(Word).decode


class ApprovalDesk:
    """Lists and decides; whoever calls needs the scope `admin`. `clock` is wall time."""

    def __init__(self, data: Path, clock: Callable[[], float]) -> None:
        self._data = data
        self._clock = clock

    async def list(self, call: Call) -> None:
        found = await asyncio.to_thread(waiting, self._data, self._clock())
        await send_json(call.send, 200, {"approvals": found})

    async def decide(self, call: Call) -> None:
        """Raises InvalidRequest for what is no word, and where nothing of this id waits."""
        try:
            word = _read(call.body)
        except msgspec.MsgspecError:
            raise InvalidRequest(
                "The body is no word on an approval.", do='Send {"approve": true} or false.'
            ) from None
        named, by = call.path.removeprefix(f"{PATH}/"), call.caller.principal.key

        def said() -> None:
            decide(self._data, named, yes=word.approve, by=by, now=self._clock())

        await asyncio.to_thread(said)
        await send_json(call.send, 200, {"id": named, "approved": word.approve})
