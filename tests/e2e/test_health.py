"""Health of deployments in a running gateway: probes, breakers, and what is said of them."""

from __future__ import annotations

import json
import time

from tests.e2e import stage
from tests.fakes.openai_server import fake_process

WAIT_S = 15.0


def seen(gateway, name):
    fleet = gateway.call("GET", "/situs/v1/fleet").json["deployments"]
    return next(one for one in fleet if one["deployment"]["name"] == name)


def until(gateway, name, health):
    """Its entry in the fleet, once it is so."""
    deadline = time.monotonic() + WAIT_S
    while (found := seen(gateway, name))["state"]["health"] != health:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_a_standby_is_kept_warm_with_nobodys_data(tmp_path):
    with stage.fakes(tmp_path, "office", "national", "us") as fakes:
        changes = {
            "office-llm": {"role": "standby", "probe_s": 0.5},
            "national-llm": {"role": "standby"},
            "us-llm": {"role": "standby", "probe_s": 0.5},
        }
        with stage.running(tmp_path, stage.fleet(fakes, deployments=changes)) as gateway:
            until(gateway, "office-llm", "healthy")
            until(gateway, "us-llm", "healthy")
            assert seen(gateway, "national-llm")["state"]["health"] == "unknown"
            deadline = time.monotonic() + WAIT_S
            while "situs_probe_cost_total{" not in (
                page := gateway.call("GET", "/metrics").body.decode()
            ):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert 'situs_probes_total{deployment="office-llm",result="well"}' in page
            assert not gateway.lines("decision")
        assert fakes["national"].traffic() == (0, 0)
        for name in ("office", "us"):
            sent = [json.loads(one["body"]) for one in fakes[name].requests()]
            assert {one["messages"][0]["content"] for one in sent} == {"."}
            assert {one["max_tokens"] for one in sent} == {1}


def test_what_could_not_be_reached_comes_back_without_a_request(tmp_path):
    with fake_process(tmp_path, "office") as fake:
        config = stage.fleet({"office": fake})
    with stage.running(tmp_path, config) as gateway:
        assert gateway.chat().status == 503
        found = until(gateway, "office-llm", "unhealthy")
        assert found["condition"]["why"] == "unreachable"
        assert found["condition"]["tries"] >= 1
        with fake_process(tmp_path, "back", port=fake.port):
            until(gateway, "office-llm", "healthy")
            assert gateway.chat().status == 200


def test_times_are_learned_and_shown_by_name(tmp_path):
    with (
        stage.fakes(tmp_path, "office") as fakes,
        stage.running(tmp_path, stage.fleet(fakes)) as gateway,
    ):
        assert seen(gateway, "office-llm")["state"]["pace"] is None
        for _ in range(3):
            assert gateway.chat(stream=True).status == 200
        deadline = time.monotonic() + WAIT_S
        while (pace := seen(gateway, "office-llm")["state"]["pace"]) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert set(pace) == {
            *("fixed_s", "prompt_s", "wait_s", "token_s", "context_s", "crowd_s", "late")
        }
        assert gateway.chat().status == 200
        states = gateway.lines("decision")[-1]["fleet"]["states"]
        assert len(states[0]["pace"]) == len(pace)
