import asyncio
import contextlib
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.dispatch.egress import AGAIN_S, Connector, EgressRefused, Permit, may_mean

METADATA = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
DISGUISED = [
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "2001:0:a00:1::",
]
PRIVATE = ["10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.9", "fd12::1"]
NOBODY = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "fe80::1", "fe80::1%eth0"]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]


@pytest.mark.parametrize("address", [*METADATA, *DISGUISED, *PRIVATE, *NOBODY, *LOOPBACK])
def test_a_public_name_means_no_private_address(address):
    assert not may_mean("llm.example.com", address, owned=False)


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("owned", [False, True])
def test_any_name_may_mean_a_public_address(address, owned):
    assert may_mean("llm.example.com", address, owned=owned)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_owned_name_may_mean_a_private_address(address):
    assert may_mean("rack.example.com", address, owned=True)


@pytest.mark.parametrize("address", [*METADATA, *NOBODY, *LOOPBACK, "64:ff9b::a9fe:a9fe"])
def test_an_owned_name_means_neither_this_machine_nor_a_metadata_service(address):
    assert not may_mean("rack.example.com", address, owned=True)


def test_localhost_means_loopback_and_nothing_else():
    assert all(may_mean("localhost", one, owned=False) for one in LOOPBACK)
    assert not any(may_mean("localhost", one, owned=True) for one in [*PRIVATE, *PUBLIC])


def test_named_networks_take_the_place_of_the_rule_for_private_addresses():
    asked: dict[str, Any] = {"owned": False, "networks": ["10.1.0.0/16", "fd00:1::/64"]}
    assert may_mean("llm.example.com", "10.1.2.3", **asked)
    assert may_mean("llm.example.com", "fd00:1::9", **asked)
    assert not may_mean("llm.example.com", "10.2.0.1", **asked)
    assert not may_mean("llm.example.com", PUBLIC[0], **asked)


@given(st.ip_addresses(), st.ip_addresses(), st.booleans())
def test_an_address_means_itself_alone(one, other, owned):
    assert may_mean(str(one), str(one), owned=owned)
    mine, others = (getattr(this, "ipv4_mapped", None) or this for this in (one, other))
    assert may_mean(str(one), str(other), owned=owned) == (mine == others)


class Names:
    """A resolver that answers what it is told, and counts."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked = 0
        self.problem = None

    async def __call__(self, host, port):
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port),
            )
            for one in self.addresses
        ]


@contextlib.contextmanager
def listening(host="127.0.0.1"):
    with socket.create_server((host, 0)) as listener:
        yield listener.getsockname()[1]


def permit(host, port, **facts):
    return Permit("x", lambda: (host, port), **facts)


def dial(connector, host, port):
    async def test():
        raw = await connector.dial(host, port)
        with raw:
            assert raw.getblocking() is False
            return raw.getpeername()[:2]

    return asyncio.run(test())


def pinned(connector, host, port):
    return asyncio.run(connector.addresses(host, port))


def test_what_is_listed_is_connected_to():
    with listening() as port:
        connector = Connector([permit("127.0.0.1", port)])
        assert dial(connector, "127.0.0.1", port) == ("127.0.0.1", port)


@pytest.mark.parametrize(("host", "off"), [("127.0.0.1", 1), ("localhost", 0), ("127.0.0.2", 0)])
def test_another_port_or_another_name_for_the_same_place_is_refused(host, off):
    with listening() as port:
        connector = Connector([permit("127.0.0.1", port)])
        with pytest.raises(EgressRefused):
            dial(connector, host, port + off)


def test_what_is_no_longer_permitted_is_refused():
    with listening() as port:
        connector = Connector([permit("127.0.0.1", port)])
        connector.permit([])
        with pytest.raises(EgressRefused):
            dial(connector, "127.0.0.1", port)


def test_a_server_that_moves_is_followed_and_its_former_place_refused():
    with listening() as first, listening() as second:
        now = [first]
        connector = Connector([Permit("x", lambda: ("127.0.0.1", now[0]))])
        dial(connector, "127.0.0.1", first)
        now[0] = second
        dial(connector, "127.0.0.1", second)
        with pytest.raises(EgressRefused):
            dial(connector, "127.0.0.1", first)


def test_a_server_that_is_down_has_no_place():
    connector = Connector([Permit("x", lambda: None)])
    with pytest.raises(EgressRefused):
        dial(connector, "127.0.0.1", 80)


def test_a_name_is_resolved_once_whatever_dns_says_later():
    names = Names("127.0.0.1")
    with listening() as port:
        connector = Connector([permit("localhost", port)], resolve=names)
        dial(connector, "localhost", port)
        names.addresses = ("127.0.0.9",)
        assert dial(connector, "localhost", port) == ("127.0.0.1", port)
        assert names.asked == 1
        assert pinned(connector, "localhost", port) == ("127.0.0.1",)


def test_a_refresh_resolves_anew_under_the_same_rule():
    names = Names("127.0.0.1")
    with listening() as port:
        connector = Connector([permit("localhost", port)], resolve=names)
        dial(connector, "localhost", port)
        names.addresses = ("10.0.0.1",)
        connector.refresh()
        with pytest.raises(EgressRefused):
            dial(connector, "localhost", port)


def test_a_refresh_while_dns_is_down_leaves_what_held():
    names = Names("127.0.0.1")
    with listening() as port:
        connector = Connector([permit("localhost", port)], resolve=names)
        dial(connector, "localhost", port)
        names.problem = socket.gaierror(-3, "Temporary failure in name resolution")
        connector.refresh()
        assert dial(connector, "localhost", port) == ("127.0.0.1", port)
        names.problem, names.addresses = None, ("127.0.0.9", "127.0.0.1")
        assert pinned(connector, "localhost", port) == ("127.0.0.9", "127.0.0.1")


def test_other_rules_hold_for_what_is_pinned_already():
    names = Names("10.0.0.1")
    connector = Connector([permit("x.example.com", 443, owned=True)], resolve=names)
    assert pinned(connector, "x.example.com", 443) == ("10.0.0.1",)
    connector.permit([permit("x.example.com", 443)])
    with pytest.raises(EgressRefused):
        pinned(connector, "x.example.com", 443)


def test_a_name_that_comes_to_mean_this_machine_is_refused_without_a_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connector = Connector([permit("llm.example.com", port)], resolve=Names("127.0.0.1"))
        with pytest.raises(EgressRefused):
            dial(connector, "llm.example.com", port)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_of_several_addresses_only_those_that_may_be_meant_are_pinned():
    names = Names("10.0.0.1", "127.0.0.1", "169.254.169.254")
    with listening() as port:
        connector = Connector([permit("localhost", port)], resolve=names)
        dial(connector, "localhost", port)
        assert pinned(connector, "localhost", port) == ("127.0.0.1",)


def test_an_address_that_does_not_answer_is_tried_last_the_next_time():
    names = Names("127.0.0.2", "127.0.0.1")
    with listening() as port:
        connector = Connector([permit("localhost", port)], resolve=names)
        assert dial(connector, "localhost", port) == ("127.0.0.1", port)
        assert pinned(connector, "localhost", port) == ("127.0.0.1", "127.0.0.2")


def test_a_service_that_moved_is_found_again_but_dns_is_not_asked_all_the_time():
    names, now = Names("127.0.0.2"), [0.0]
    with listening() as port:
        connector = Connector([permit("localhost", port)], clock=lambda: now[0], resolve=names)
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                dial(connector, "localhost", port)
        assert names.asked == 1
        names.addresses = ("127.0.0.1",)
        now[0] += AGAIN_S
        assert dial(connector, "localhost", port) == ("127.0.0.1", port)
        assert names.asked == 2


def test_what_several_may_connect_to_means_only_what_it_may_mean_for_each():
    names = Names("10.0.0.1")
    permits = [permit("x.example.com", 443, owned=True), permit("x.example.com", 443)]
    with pytest.raises(EgressRefused):
        pinned(Connector(permits, resolve=names), "x.example.com", 443)
    owned = Connector(permits[:1], resolve=names)
    assert pinned(owned, "x.example.com", 443) == ("10.0.0.1",)
