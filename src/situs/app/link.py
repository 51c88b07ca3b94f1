"""What the parent and a worker say to each other, over a pair of Unix sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

import msgspec
from msgspec import Struct

from situs.app.plan import Plan
from situs.config.tree import Log
from situs.core.fleet import CacheFacts, Condition, Health
from situs.core.snapshot import Beliefs
from situs.placement.latency import Learned
from situs.trust.allowance import Grant, Report
from situs.trust.api_keys import KeyTable


class Place(Struct, frozen=True):
    """Where a worker stands: its row on the board, the descriptors it was given, how it logs."""

    row: int
    listener: int
    link: int
    door: int
    board: int
    log: Log


class RuntimeState(Struct, frozen=True):
    """How a model that runs here is, where its server listens, and the key that it asks for.

    `loading`: it was there when the gateway started, and is not known to load or to fail yet.
    """

    health: Health
    address: tuple[str, int] | None
    key: str
    loading: bool = False

    def __repr__(self) -> str:
        return f"RuntimeState({self.health})"


class Load(Struct, frozen=True, tag=True):
    """Make this ready beside what holds; answered with Loaded."""

    plan: Plan


class Switch(Struct, frozen=True, tag=True):
    """From now on what was loaded holds; answered with Switched.

    What was `learned` is how long deployments take, by name; of others nothing is known.
    """

    generation: int
    learned: dict[str, Learned]


class Runtimes(Struct, frozen=True, tag=True):
    """All supervised servers, by deployment."""

    states: dict[str, RuntimeState]


class Probed(Struct, frozen=True, tag=True):
    """What a probe of the parent found of a deployment."""

    deployment: str
    well: bool


class Believed(Struct, frozen=True, tag=True):
    """What is believed of models, from now on."""

    beliefs: Beliefs


class RolledBack(Struct, frozen=True, tag=True):
    """The pilots of these scopes are over, from now on."""

    scopes: frozenset[str]


class Caches(Struct, frozen=True, tag=True):
    """What servers say of their caches, by deployment; of others nothing is known."""

    facts: dict[str, CacheFacts]


class Stop(Struct, frozen=True, tag=True):
    """Finish what runs, or (`now`) end it; answered with Stopping. A lost link means the same."""

    now: bool = False


class Drop(Struct, frozen=True, tag=True):
    """Keep no connection to an upstream: what is permitted is another list. Requests go on."""


class Told(Struct, frozen=True, tag=True):
    """The answer to Asked."""

    number: int
    status: int
    kind: str
    body: bytes


class Keys(Struct, frozen=True, tag=True):
    """The API keys, from now on."""

    table: KeyTable


class Leased(Struct, frozen=True, tag=True):
    """The answer to Lease."""

    number: int
    grant: Grant


News = Runtimes | Probed | Believed | RolledBack | Caches
ToWorker = Load | Switch | News | Stop | Told | Keys | Leased | Drop


class Loaded(Struct, frozen=True, tag=True):
    """`problem` says why it cannot be used; None: it can."""

    generation: int
    problem: str | None = None


class Switched(Struct, frozen=True, tag=True):
    generation: int


class Stopping(Struct, frozen=True, tag=True):
    """How many requests are still running."""

    running: int


class Asked(Struct, frozen=True, tag=True):
    """A request that the parent answers: it knows what all workers did."""

    number: int
    path: str
    query: str


class Lease(Struct, frozen=True, tag=True):
    """What was used of a key's requests per minute; more of them are asked for."""

    number: int
    report: Report


class Alive(Struct, frozen=True, tag=True):
    """Every second: trouble with receipts, what was refused undecided, how deployments are, and the
    copies of requests that were sent or (by reason) dropped.
    """

    problem: str | None
    refused: dict[str, int]
    conditions: dict[str, Condition]
    copies: dict[str, int] = {}


ToParent = Loaded | Switched | Stopping | Asked | Lease | Alive

_log = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode
_LENGTH = 4


class Link:
    """One end. Messages arrive whole and in order; the end of the other side ends `messages`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kinds: Any
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = msgspec.msgpack.Decoder(kinds).decode

    @classmethod
    async def over(cls, sock: socket.socket, kinds: Any) -> Self:
        """`kinds` is the union of the messages that come in."""
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock), kinds)

    def send(self, message: ToWorker | ToParent) -> None:
        """Never blocks; to an end that is gone it does nothing; what cannot be
        written is left out.
        """
        if self._writer.is_closing():
            return
        try:
            data = _encode(message)
        except (OverflowError, TypeError, ValueError) as error:
            kind = type(message).__name__
            _log.error("%s is not told to the other process: %s", kind, type(error).__name__)
            return
        self._writer.write(len(data).to_bytes(_LENGTH, "big") + data)

    async def messages(self) -> AsyncIterator[Any]:
        while True:
            try:
                length = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
                data = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            yield self._decode(data)

    def close(self) -> None:
        self._writer.close()
