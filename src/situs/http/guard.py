"""A browser is an attacker on loopback: Host, Origin and content type are checked, keys or not."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from msgspec import Struct

from situs.errors import OriginRefused, UnsupportedMedia

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Guard(Struct, frozen=True):
    """Which hosts and origins may speak to the gateway, besides loopback and itself.

    With `addresses` a Host may also be any IP address: for a gateway that is reached by its own.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    addresses: bool = False

    def check(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The allowed foreign origin, if there is one. Raises OriginRefused.

        A Host that is not ours is a rebound DNS name; an Origin that is not ours is a web page.
        """
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        known = name in _LOOPBACK or name in self.hosts
        if not known and not (self.addresses and _is_address(name)):
            raise OriginRefused("The Host header names no host of this gateway.")
        raw = headers.get(b"origin")
        if raw is None:
            return None
        origin = raw.decode("latin-1").lower()
        if origin in (f"http://{host}", f"https://{host}"):
            return None
        if origin not in self.origins:
            raise OriginRefused("The request comes from a web page of another origin.")
        return origin


def _is_address(host: str) -> bool:
    """An address is no name, so it cannot have been rebound."""
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return ip_address(host[1:-1] if bracketed else host).version == (6 if bracketed else 4)
    except ValueError:
        return False


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raises UnsupportedMedia: a form or text/plain is what a web page may post unasked."""
    kind = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
    if kind != b"application/json":
        raise UnsupportedMedia("The content type is not application/json.")
