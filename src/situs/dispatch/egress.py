"""The one connector: opens connections to what is permitted, at pinned addresses, to nothing else.

A configured name is resolved once, when it is first needed. Its addresses hold until `refresh`, or
until none of them answers; then it is asked again, at most every half minute. Whatever DNS says, a
name may not come to mean this machine, its network or a cloud's metadata service (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from msgspec import Struct

_log = logging.getLogger(__name__)

AGAIN_S = 30.0
_MOST = 16
"""Addresses of one name that are kept."""

_METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
"""Metadata services whose addresses look like others; the rest are link-local."""
_EMBEDDING = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""Networks whose addresses carry an IPv4 address: NAT64, 6to4, Teredo (RFC 6052, 3056, 4380)."""

Address = IPv4Address | IPv6Address


class EgressRefused(PermissionError):
    """Nothing permits this connection; none was opened."""


class Permit(Struct, frozen=True):
    """A place that may be connected to. `name` says for what: a deployment, or `collector`.

    `address` gives its host and port; None while it has none (a supervised server that is down).
    A host that is a name may mean the addresses in `networks`; without these, public addresses,
    and those of private networks too where the place is `owned`.
    """

    name: str
    address: Callable[[], tuple[str, int] | None]
    owned: bool = False
    networks: tuple[str, ...] = ()


def may_mean(host: str, address: str, *, owned: bool, networks: Iterable[str] = ()) -> bool:
    """Whether a configured host may be reached at this address (IPv6 without its zone)."""
    found = _plain(ip_address(address.partition("%")[0]))
    with suppress(ValueError):
        return found == _plain(ip_address(host.strip("[]").partition("%")[0]))
    if host.lower().rstrip(".") == "localhost":
        return found.is_loopback
    if named := tuple(networks):
        return any(found in ip_network(one) for one in named)
    if found in _METADATA or any(found in one for one in _EMBEDDING):
        return False
    if owned:
        strange = found.is_link_local or found.is_multicast or found.is_unspecified
        return not (strange or found.is_loopback or found.is_reserved)
    return found.is_global and not found.is_multicast


def _plain(address: Address) -> Address:
    """An IPv4 address written as IPv6 is that IPv4 address."""
    return getattr(address, "ipv4_mapped", None) or address


class Connector:
    """Owns the list of what is permitted and the addresses that its names are pinned to.

    `resolve` asks for the socket addresses of a host and a port, as `loop.getaddrinfo` answers.
    """

    def __init__(
        self,
        permits: Iterable[Permit] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        resolve: Callable[[str, int], Any] | None = None,
    ) -> None:
        self._permits = tuple(permits)
        self._clock = clock
        self._resolve = resolve or _resolve
        self._pins: dict[tuple[str, int], tuple[float, list[Any]]] = {}
        self._stale: set[tuple[str, int]] = set()

    def permit(self, permits: Iterable[Permit]) -> None:
        """From now on these and no others; connections that are open stay."""
        self._permits = tuple(permits)

    def refresh(self) -> None:
        """Resolve every name anew when it is needed next; where DNS is down, what held goes on."""
        self._stale.update(self._pins)

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connected socket that does not block.

        Raises EgressRefused for what is not listed or means an address that it may not, and other
        OSErrors for what cannot be reached.
        """
        known = self._pins.get((host, port))
        try:
            return await self._first_of(host, port)
        except EgressRefused:
            raise
        except OSError:
            if known is None or self._clock() - known[0] < AGAIN_S:
                raise
        self._stale.add((host, port))
        return await self._first_of(host, port)

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """What a listed host may be reached at, in this order; raises as `dial` does."""
        return tuple(str(address[0]) for _, address in await self._pinned(host, port))

    async def _pinned(self, host: str, port: int) -> list[Any]:
        permits, place = self._permits_of(host, port), (host, port)
        if place not in self._pins or place in self._stale:
            try:
                self._pins[place] = self._clock(), await self._resolved(permits, host, port)
                self._stale.discard(place)
            except OSError:
                if place not in self._pins:
                    raise
        meant = [one for one in self._pins[place][1] if _meant(permits, host, one[1][0])]
        if not meant:
            raise EgressRefused(f"{host} means no address that it may mean")
        return meant

    async def _resolved(self, permits: Sequence[Permit], host: str, port: int) -> list[Any]:
        found = [(family, address) for family, *_, address in await self._resolve(host, port)]
        if not all(_meant(permits, host, address[0]) for _, address in found):
            name = permits[0].name
            _log.warning("%s: an address that its host may not mean is left out", name)
        return list(dict.fromkeys(found))[:_MOST]

    def _permits_of(self, host: str, port: int) -> list[Permit]:
        permits = [permit for permit in self._permits if permit.address() == (host, port)]
        if not permits:
            raise EgressRefused(f"{host}:{port} is not on the list of permitted connections")
        return permits

    async def _first_of(self, host: str, port: int) -> socket.socket:
        """Connected to the first that answers; whoever does not, is tried last the next time."""
        problem: OSError | None = None
        for one in await self._pinned(host, port):
            try:
                return await _connected(*one)
            except BaseException as error:
                _, pinned = self._pins[host, port]
                if one in pinned:
                    pinned.remove(one)
                    pinned.append(one)
                if not isinstance(error, OSError):
                    raise
                problem = error
        raise problem or OSError("no address")


def _meant(permits: Iterable[Permit], host: str, address: str) -> bool:
    """Whether it is one that the host may mean for each of them."""
    return all(may_mean(host, address, owned=p.owned, networks=p.networks) for p in permits)


async def _resolve(host: str, port: int) -> Any:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connected(family: int, address: Any) -> socket.socket:
    raw = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, address)
    except BaseException:
        raw.close()
        raise
    return raw
