"""Who is calling, what it may, and how often."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from msgspec import Struct

from situs.config.terms import is_loopback
from situs.core.request import Principal
from situs.errors import (
    ConfigError,
    KeyExpired,
    MissingKey,
    RateLimited,
    ScopeMissing,
    Unauthenticated,
)
from situs.trust.allowance import IDLE_S, Allowance, Grant, Report
from situs.trust.api_keys import PREFIX, Identity, KeyTable, Refusal, Scope

_log = logging.getLogger(__name__)

Lease = Callable[[Report], Coroutine[Any, Any, Grant]]
"""Takes a report to the authority and brings back what it leases."""

ANYONE = Identity(Principal(), frozenset(Scope))
"""Who calls without a key where none is needed: it may do everything."""

_STRANGER = Identity(Principal(), frozenset())
_PREFIX = PREFIX.encode()
_HOLDERS = frozenset({b"authorization", b"x-api-key"})
_OPEN = frozenset({"/livez", "/readyz"})
_EXPLAIN = "/situs/v1/explain"
_FEEDBACK = "/situs/v1/feedback"


def scope_of(path: str) -> Scope | None:
    """What a key must be for to reach `path`; None: nothing is needed."""
    if path in _OPEN:
        return None
    if path.startswith(("/v1/", f"{_EXPLAIN}/")) or path in (_EXPLAIN, _FEEDBACK):
        return Scope.INFERENCE
    return Scope.ADMIN


def key_required(host: str, always: bool) -> bool:
    """Whether a listener at `host` serves nobody without a key."""
    return always or not is_loopback(host)


def check_listener(host: str, table: KeyTable, now: float) -> None:
    """Raises ConfigError for a host beyond loopback that no key could use; warns of plain HTTP."""
    if is_loopback(host):
        return
    if not table.lets_in(Scope.INFERENCE, now):
        raise ConfigError(
            f"server.host is {host}, beyond loopback, and there is no API key with which to call.",
            do="Make one with `situs keys create NAME`, or listen on 127.0.0.1.",
        )
    _log.warning(
        "plain HTTP beyond loopback, at %s: keys and prompts can be read on their way; "
        "put a proxy that terminates TLS in front",
        host,
    )


class Rate(Struct, frozen=True):
    """A key's requests per minute: how many, how many are left, seconds until all are."""

    limit: int
    remaining: int
    reset_s: float


class Auth:
    """Owns what is known of callers: `table` is swapped whole, by assignment.

    `wall` is what keys expire by, `clock` what rates are measured by; both in seconds.
    """

    def __init__(
        self,
        table: KeyTable,
        required: bool,
        lease: Lease,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.table = table
        self._required = required
        self._lease = lease
        self._wall, self._clock = wall, clock
        self._allowance = Allowance()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[Grant]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def identify(self, path: str, headers: Mapping[bytes, bytes]) -> Identity:
        """Who sent these headers. Raises Unauthenticated and its kinds; ScopeMissing for `path`."""
        needed = scope_of(path)
        identity = self._caller(headers, needed)
        if needed is not None and needed not in identity.scopes:
            raise ScopeMissing(f"The key does not have the scope {needed}, which this path needs.")
        return identity

    def _caller(self, headers: Mapping[bytes, bytes], needed: Scope | None) -> Identity:
        if not self._required and _HOLDERS.isdisjoint(headers):
            return ANYONE
        presented = _presented(headers)
        if not self._required and not presented.startswith(_PREFIX):
            return ANYONE
        if not presented:
            if needed is None:
                return _STRANGER
            raise MissingKey("This gateway needs an API key, and the request has none.")
        found = self.table.identify(presented, self._wall())
        if found is Refusal.EXPIRED:
            raise KeyExpired("The API key is no longer valid: its time is over.")
        if found is Refusal.UNKNOWN:
            raise Unauthenticated("The API key is not one of this gateway's.")
        return found

    async def admit(self, identity: Identity) -> Rate | None:
        """Counts one request; None for a key without a limit. Raises RateLimited.

        Waits for the authority only when what this process holds is used up.
        """
        limit, key = identity.rpm, identity.principal.key
        if limit is None:
            return None
        while not self._allowance.take(key, self._clock()):
            if self._allowance.exhausted(key, self._clock()):
                raise self._refusal(key, limit)
            await self._more(key)
        left = self._allowance.left(key, self._clock())
        return Rate(limit, min(left.remaining, limit), left.reset_s)

    def _refusal(self, key: str, limit: int) -> RateLimited:
        left = self._allowance.left(key, self._clock())
        return RateLimited(
            f"The key's {limit} requests per minute are used up.",
            limit=limit,
            reset_s=left.reset_s,
            retry_after_s=max(1, math.ceil(left.retry_after_s)),
        )

    async def _more(self, key: str) -> None:
        """Asks once for all that wait; a caller that leaves does not undo the asking."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._asking[key] = task
        await asyncio.shield(task)

    async def _ask(self, key: str) -> None:
        try:
            grant = await self._lease(self._allowance.ask(key))
        except Exception as error:
            _log.error("no requests could be leased for a key: %s", type(error).__name__)
            grant = Grant(retry_after_s=IDLE_S)
        finally:
            del self._asking[key]  # now, not soon: one who waits for what is over never yields
        self._allowance.granted(key, grant, self._clock())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._tell)

    def _tell(self) -> None:
        """Every second while something is held: what was used, and what idles."""
        loop = asyncio.get_running_loop()
        for report in self._allowance.due(self._clock()):
            task = loop.create_task(self._lease(report))
            self._telling.add(task)
            task.add_done_callback(self._told)
        self._timer = None if self._allowance.empty else loop.call_later(IDLE_S, self._tell)

    def _told(self, task: asyncio.Task[Grant]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("what a key used could not be told: %s", type(error).__name__)


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    """The key in the headers; empty: none. Raises Unauthenticated when there are two.

    Sources: RFC 6750 section 2.1, the Anthropic API reference.
    """
    scheme, _, bearer = headers.get(b"authorization", b"").strip().partition(b" ")
    first = bearer.strip() if scheme.lower() == b"bearer" else b""
    second = headers.get(b"x-api-key", b"").strip()
    if first and second and first != second:
        raise Unauthenticated("Authorization and x-api-key hold two keys that differ.")
    return first or second
