from typing import Any

import msgspec
import pytest
from tests.e2e.stage import fleet, merge

from situs.app.drill import loci_of, not_owned
from situs.app.egress import COLLECTOR, POLICY, check_blocked, permits_of
from situs.app.setting import Setting
from situs.config.load import default_config, parse
from situs.dispatch.egress import may_mean
from situs.errors import ConfigError

PORTS = {"office": 9, "national": 10, "us": 11}


class Fake:
    def __init__(self, port):
        self.base_url = f"http://127.0.0.1:{port}/v1"


def config(**changes):
    fakes: dict[str, Any] = {name: Fake(port) for name, port in PORTS.items()}
    return parse(msgspec.json.encode(fleet(fakes, **changes)).decode())


def mixed():
    """This machine's own models, in AU, beside the fleet."""
    own = msgspec.to_builtins(default_config("AU"))
    return parse(msgspec.json.encode(merge(own, msgspec.to_builtins(config()))).decode())


def test_in_a_blackout_all_that_is_not_owned_is_dark():
    assert not_owned(config()) == ("national", "us")
    assert not_owned(default_config()) == ()


def test_an_exit_is_from_an_operator_or_a_jurisdiction():
    assert loci_of(config(), operator="US") == ("us",)
    assert loci_of(config(), jurisdiction="AU") == ("national", "office")


def test_an_exit_from_nobody_names_who_there_is():
    with pytest.raises(ConfigError) as raised:
        loci_of(config(), operator="nobody")
    assert "national, office, us" in raised.value.advice


def test_the_machine_that_drills_cannot_go_dark():
    with pytest.raises(ConfigError, match="runs on this machine"):
        loci_of(mixed(), jurisdiction="AU")
    assert loci_of(mixed(), jurisdiction="US") == ("us",)


def permitted(of, tmp_path, *blocked):
    setting = Setting(of, tmp_path, tmp_path)
    permits = permits_of(setting, lambda _: ("127.0.0.1", 7), blocked)
    return {permit.name: permit.address() for permit in permits}


def test_what_may_be_connected_to_is_the_deployments_and_the_collector(tmp_path, monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    found = permitted(mixed(), tmp_path)
    reached = {f"{name}-llm": ("127.0.0.1", port) for name, port in PORTS.items()}
    assert found == {**reached, "local-smollm2": ("127.0.0.1", 7)}  # the encoder needs no network
    traced = config(telemetry={"otlp": {"endpoint": "https://otel.example.com"}})
    assert permitted(traced, tmp_path)[COLLECTOR] == ("otel.example.com", 443)


def test_what_is_blocked_is_not_on_the_list(tmp_path):
    traced = config(telemetry={"otlp": {"endpoint": "https://otel.example.com"}})
    assert set(permitted(traced, tmp_path, "us", COLLECTOR)) == {"office-llm", "national-llm"}


def test_a_collector_named_in_the_environment_is_on_the_list(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert permitted(config(), tmp_path)[COLLECTOR] == ("127.0.0.1", 4318)


@pytest.mark.parametrize(
    ("host", "stays"), [("127.0.0.1", True), ("opa.example.com", True), ("93.184.216.34", False)]
)
def test_a_policy_server_may_only_be_near_where_others_are_dark(tmp_path, host, stays):
    engine = {"kind": "opa", "url": f"https://{host}:8181", "path": "situs/verdict"}
    asked = config(policy={"engine": engine})
    assert POLICY in permitted(asked, tmp_path, COLLECTOR)
    setting = Setting(asked, tmp_path, tmp_path)
    found = [p for p in permits_of(setting, lambda _: None, ("us",)) if p.name == POLICY]
    assert bool(found) == stays
    for permit in found:
        known: dict[str, Any] = {"owned": permit.owned, "networks": permit.networks}
        assert may_mean("opa.example.com", "10.0.0.1", **known)
        assert not may_mean("opa.example.com", "93.184.216.34", **known)


def test_blocking_what_is_not_configured_is_an_error():
    check_blocked(config(), ["us", COLLECTOR])
    with pytest.raises(ConfigError, match="moon: no such locus"):
        check_blocked(config(), ["moon"])


def test_what_shares_an_address_cannot_go_dark_alone():
    shared = {"us-llm": {"endpoint": {"url": "http://127.0.0.1:10/other/v1"}}}
    asked = config(deployments=shared)
    with pytest.raises(ConfigError, match="same host and port"):
        check_blocked(asked, ["us"])
    check_blocked(asked, ["us", "national"])
    check_blocked(asked, ["office"])
    check_blocked(asked, [COLLECTOR])
