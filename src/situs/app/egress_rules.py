"""The list of the gateway's egress in the words of an operating system or of Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from msgspec import Struct

from situs.dispatch.egress import Connector, EgressRefused, Permit
from situs.errors import OperatorError

TABLE = "situs_egress"
_DNS = 53
Network = IPv4Network | IPv6Network


class Place(Struct, frozen=True):
    """Where one permit leads: addresses, or the networks that are configured."""

    name: str
    host: str
    port: int
    networks: tuple[str, ...]


class Rules(Struct, frozen=True):
    """What may be connected to besides loopback, and the resolvers that may be asked."""

    places: tuple[Place, ...]
    resolvers: tuple[str, ...]


class Scope(Struct, frozen=True):
    """Whose connections are meant: a user's by number, or those of a control group (v2)."""

    user: int | None = None
    cgroup: str | None = None
    clients: tuple[str, ...] = ()


def rules_of(permits: Sequence[Permit], resolv: Path = Path("/etc/resolv.conf")) -> Rules:
    """Names are resolved now, under the rule of `dispatch.egress`; raises OperatorError."""
    return Rules(asyncio.run(_places(permits)), _resolvers(resolv))


async def _places(permits: Sequence[Permit]) -> tuple[Place, ...]:
    connector = Connector(permits)
    found = []
    for permit in permits:
        where = permit.address()
        if where is None:  # run by Situs itself, on loopback
            continue
        networks = permit.networks or await _addresses(connector, permit, where)
        found.append(Place(permit.name, *where, tuple(networks)))
    return tuple(found)


async def _addresses(connector: Connector, permit: Permit, where: tuple[str, int]) -> Sequence[str]:
    try:
        return await connector.addresses(*where)
    except EgressRefused:
        raise OperatorError(
            f"{permit.name}: {where[0]} means no address that it may mean",
            do="If it lies in a private network, name that under its endpoint's `networks`.",
        ) from None
    except OSError:
        raise OperatorError(
            f"{permit.name}: {where[0]} cannot be resolved here",
            do="Do it where it can, or name its endpoint's `networks`.",
        ) from None


def _resolvers(resolv: Path) -> tuple[str, ...]:
    found = []
    with suppress(OSError):
        for line in resolv.read_text(errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                with suppress(ValueError):
                    found.append(str(ip_address(words[1].partition("%")[0])))
    return tuple(dict.fromkeys(found))


def render(form: str, rules: Rules, scope: Scope) -> str:
    """The list in one of `FORMS`. Raises OperatorError for what the form cannot say."""
    return FORMS[form](rules, scope)


def _nftables(rules: Rules, scope: Scope) -> str:
    """What has no socket (the kernel's own packets) matches no owner, and passes."""
    whose = f"meta skuid {scope.user}"
    if scope.cgroup:
        group = scope.cgroup.strip("/")
        whose = f'socket cgroupv2 level {group.count("/") + 1} "{group}"'
    lines = [
        f"table inet {TABLE} {{",
        "  chain gateway {",
        '    oifname "lo" accept',
        "    ct state established,related accept  # answers to clients",
    ]
    for place in rules.places:
        lines.append(f"    # {place.name}: {place.host}:{place.port}")
        lines += [
            f"    {_family(network)} daddr {network} tcp dport {place.port} accept"
            for network in _away(place.networks)
        ]
    for address in _away(rules.resolvers):
        at = f"    {_family(address)} daddr {address}"
        lines += [f"{at} {protocol} dport {_DNS} accept" for protocol in ("udp", "tcp")]
    lines += [
        "    counter reject with icmpx admin-prohibited",
        "  }",
        "  chain output {",
        "    type filter hook output priority 0; policy accept;",
        f"    {whose} jump gateway",
        "  }",
        "}",
    ]
    return "\n".join([*lines, ""])


def _netns(rules: Rules, scope: Scope) -> str:
    away = {n: p.name for p in rules.places for n in _away(p.networks) if n.version == 4}
    lines = [
        "# A network namespace without a default route: only these addresses can be reached.",
        "# The gateway listens on 10.199.74.2 there (server.host; it needs API keys).",
        "set -e",
        "ip netns add situs",
        "ip link add situs0 type veth peer name situs1 netns situs",
        "ip addr add 10.199.74.1/30 dev situs0",
        "ip link set situs0 up",
        "ip -n situs link set lo up",
        "ip -n situs addr add 10.199.74.2/30 dev situs1",
        "ip -n situs link set situs1 up",
        *(f"ip -n situs route add {n} via 10.199.74.1  # {name}" for n, name in away.items()),
    ]
    if away:
        lines += [
            "sysctl -q -w net.ipv4.ip_forward=1",
            "# The host must also masquerade 10.199.74.2, and /etc/netns/situs/resolv.conf must",
            "# name a resolver that is routed above.",
        ]
    user = f"setpriv --reuid {scope.user} --clear-groups " if scope.user else ""
    return "\n".join(
        [
            *lines,
            f"# then: ip netns exec situs {user}situs serve --config situs.yaml",
            "# to end: ip netns del situs",
            "",
        ]
    )


def _systemd(rules: Rules, scope: Scope) -> str:
    networks = dict.fromkeys(n for place in rules.places for n in _away(place.networks))
    allowed = [*networks, *_away(rules.resolvers), *_away(scope.clients)]
    return "\n".join(
        [
            "# A drop-in for the gateway's unit. It limits addresses, not ports, both ways:",
            "# clients beyond loopback need `--clients NETWORK`.",
            "[Service]",
            "IPAddressDeny=any",
            "IPAddressAllow=localhost",
            *(f"IPAddressAllow={network}" for network in dict.fromkeys(allowed)),
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "",
        ]
    )


def _networkpolicy(rules: Rules, _: Scope) -> str:
    lines = [
        "apiVersion: networking.k8s.io/v1",
        "kind: NetworkPolicy",
        "metadata:",
        "  name: situs-egress",
        "spec:",
        "  podSelector:",
        "    matchLabels:",
        "      app.kubernetes.io/name: situs",
        "  policyTypes: [Egress]",
        "  egress:",
        "    - to:",
        "        - namespaceSelector:",
        "            matchLabels:",
        "              kubernetes.io/metadata.name: kube-system",
        "          podSelector:",
        "            matchLabels:",
        "              k8s-app: kube-dns",
        "      ports:",
        f"        - {{protocol: UDP, port: {_DNS}}}",
        f"        - {{protocol: TCP, port: {_DNS}}}",
    ]
    for place in rules.places:
        networks = _away(place.networks)
        if networks:
            lines.append(f"    - to:  # {place.name}: {place.host}")
            lines += [f"        - ipBlock: {{cidr: '{network}'}}" for network in networks]
            lines += ["      ports:", f"        - {{protocol: TCP, port: {place.port}}}"]
    return "\n".join([*lines, ""])


FORMS: dict[str, Callable[[Rules, Scope], str]] = {
    "nftables": _nftables,
    "netns": _netns,
    "systemd": _systemd,
    "networkpolicy": _networkpolicy,
}


def _away(networks: Iterable[str]) -> list[Network]:
    """Those beyond loopback, each once."""
    found = (ip_network(one) for one in dict.fromkeys(networks))
    return [one for one in found if not one.is_loopback]


def _family(network: Any) -> str:
    return "ip" if network.version == 4 else "ip6"
