import shutil
import subprocess

import msgspec
import pytest
import yaml

from situs.app.egress_rules import FORMS, Place, Rules, Scope, render, rules_of
from situs.dispatch.egress import Permit
from situs.errors import OperatorError

RULES = Rules(
    (
        Place("us-llm", "llm.example.com", 443, ("203.0.113.7", "2001:db8::7")),
        Place("rack-llm", "rack.example.com", 8000, ("10.1.0.0/16",)),
        Place("here", "localhost", 9000, ("127.0.0.1", "::1")),
    ),
    ("10.0.0.53", "127.0.0.53"),
)
EMPTY = Rules((), ())


def permit(name, host, port=443, **facts):
    return Permit(name, lambda: (host, port), **facts)


def test_rules_are_addresses_or_the_networks_that_are_named(tmp_path):
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(
        "# x\nsearch a.test\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver x\n"
    )
    permits = [
        permit("a", "203.0.113.7"),
        permit("b", "nowhere.invalid", networks=("10.1.0.0/16",)),
        Permit("own", lambda: None),
    ]
    rules = rules_of(permits, resolv)
    assert [(p.name, p.networks) for p in rules.places] == [
        ("a", ("203.0.113.7",)),
        ("b", ("10.1.0.0/16",)),
    ]
    assert rules.resolvers == ("10.0.0.53", "fe80::1")


def test_a_name_that_cannot_be_resolved_says_what_to_do(tmp_path):
    with pytest.raises(OperatorError, match="cannot be resolved") as raised:
        rules_of([permit("b", "nowhere.invalid")], tmp_path / "none")
    assert "networks" in raised.value.advice


@pytest.mark.parametrize("scope", [Scope(user=990), Scope(cgroup="system.slice/situs.service")])
@pytest.mark.parametrize("rules", [RULES, EMPTY])
def test_nftables_takes_what_is_rendered(rules, scope):
    text = render("nftables", rules, scope)
    assert ("203.0.113.7" in text) == (rules is RULES)
    assert "127.0.0" not in text
    nft = shutil.which("nft")
    if nft is None or shutil.which("unshare") is None:
        pytest.skip("nft is not installed")
    if scope.cgroup:
        pytest.skip("nft wants the control group to be there")
    line = ["unshare", "-Urn", nft, "-c", "-f", "-"]
    done = subprocess.run(line, input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_control_group_has_its_level():
    text = render("nftables", EMPTY, Scope(cgroup="/system.slice/situs.service"))
    assert 'socket cgroupv2 level 2 "system.slice/situs.service" jump' in text


@pytest.mark.parametrize("rules", [RULES, EMPTY])
def test_a_network_policy_is_kubernetes_own(rules):
    policy = yaml.safe_load(render("networkpolicy", rules, Scope()))
    assert policy["kind"] == "NetworkPolicy"
    dns, *places = policy["spec"]["egress"]
    assert [port["port"] for port in dns["ports"]] == [53, 53]
    blocks = [[one["ipBlock"]["cidr"] for one in place["to"]] for place in places]
    expected = [["203.0.113.7/32", "2001:db8::7/128"], ["10.1.0.0/16"]]
    assert blocks == (expected if rules is RULES else [])


def test_a_systemd_drop_in_denies_all_else():
    lines = render("systemd", RULES, Scope(clients=("192.0.2.0/24",))).splitlines()
    assert "IPAddressDeny=any" in lines
    allowed = {line.partition("=")[2] for line in lines if line.startswith("IPAddressAllow")}
    assert allowed == {
        *("localhost", "203.0.113.7/32", "2001:db8::7/128", "10.1.0.0/16"),
        *("10.0.0.53/32", "192.0.2.0/24"),
    }


def test_a_namespace_has_routes_to_the_list_and_no_default():
    text = render("netns", RULES, Scope(user=990))
    assert "default" not in text.replace("without a default route", "")
    assert "route add 203.0.113.7/32" in text
    assert "ip_forward" not in render("netns", EMPTY, Scope(user=990))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same_every_time(form):
    copied = msgspec.json.decode(msgspec.json.encode(RULES), type=Rules)
    assert render(form, RULES, Scope(1)) == render(form, copied, Scope(1))
