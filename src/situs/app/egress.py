"""What a configuration lets the gateway connect to: the list of its egress."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from ipaddress import ip_address

from situs.app.setting import Setting
from situs.backends.openai_compatible import place_of
from situs.config import build
from situs.config.collector import VARIABLE
from situs.config.policy_source import policy_url
from situs.config.tree import Config, Onnx
from situs.dispatch.egress import Permit
from situs.errors import ConfigError
from situs.stores.anchors import STAMP

COLLECTOR = "collector"
STAMPING = "time_stamping"
POLICY = "policy"
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
AddressOf = Callable[[str], tuple[str, int] | None]


def permits_of(
    setting: Setting, address_of: AddressOf, blocked: Collection[str] = ()
) -> tuple[Permit, ...]:
    """The deployments, the collector of traces, what stamps anchors, where the policy comes from.

    Nothing at `blocked` loci. `address_of` says where a deployment that Situs runs listens now.
    What stamps anchors is in no drill. Where a locus is blocked, a policy server may only be near:
    a drill shows what goes on with nobody else there.
    """
    config = setting.config
    permits = []
    for name, entry in config.deployments.items():
        if entry.locus in blocked or isinstance(entry.runtime, Onnx):
            continue
        owned = config.loci[entry.locus].owned
        if entry.endpoint is None:
            permits.append(Permit(name, partial(address_of, name), owned))
        else:
            place = place_of(build.base_url(entry.endpoint))
            permits.append(Permit(name, partial(_fixed, place), owned, entry.endpoint.networks))
    otlp = config.telemetry.otlp
    collector = os.environ.get(VARIABLE, "").strip() if otlp is None else otlp.endpoint
    if collector and COLLECTOR not in blocked:
        place = place_of(collector)
        permits.append(Permit(COLLECTOR, partial(_fixed, place), owned=True))
    anchor = config.receipts.anchor
    if anchor is not None and anchor.to.startswith(STAMP) and not blocked:
        place = place_of(anchor.to.removeprefix(STAMP))
        permits.append(Permit(STAMPING, partial(_fixed, place), owned=True))
    url = policy_url(config)
    if url is not None:
        dark = set(blocked) - {COLLECTOR}
        place = place_of(url)
        if not dark or not _is_public(place[0]):
            networks = _PRIVATE if dark else ()
            permits.append(Permit(POLICY, partial(_fixed, place), owned=True, networks=networks))
    return tuple(permits)


def _is_public(host: str) -> bool:
    """Whether it is a public address; what a name means is seen when it is resolved."""
    with suppress(ValueError):
        return ip_address(host).is_global
    return False


def _fixed(place: tuple[str, int]) -> tuple[str, int]:
    return place


def check_blocked(config: Config, blocked: Collection[str]) -> None:
    """Raises ConfigError for what is no locus, nor `collector`, or cannot be blocked alone."""
    for locus in blocked:
        if locus not in config.loci and locus != COLLECTOR:
            known = ", ".join(sorted([*config.loci, COLLECTOR]))
            raise ConfigError(
                f"{locus}: no such locus is configured", do=f"Name one of these: {known}."
            )
    places: dict[tuple[str, int], dict[bool, str]] = {}
    for name, entry in config.deployments.items():
        if entry.endpoint is not None:
            place = place_of(build.base_url(entry.endpoint))
            places.setdefault(place, {})[entry.locus in blocked] = name
    for there in places.values():
        if len(there) > 1:
            raise ConfigError(
                f"{there[True]} and {there[False]} are reached at the same host and port: one "
                "cannot go dark without the other",
                do="Block the locus of the other, too, or give each an endpoint of its own.",
            )
