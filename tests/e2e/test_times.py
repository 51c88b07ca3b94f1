"""Times that one worker learned hold for all, for those that come later, and after a restart."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from tests.e2e import stage

WAIT_S = 15.0
CONFIGURED_S = 0.01
SAID = [{"role": "user", "content": "Hello there."}]
CHAT = json.dumps({"model": "auto", "messages": SAID}).encode()


@contextlib.contextmanager
def two_workers(directory, config):
    path = stage.write_config(directory, config)
    arguments = ["serve", "--config", str(path), "--workers", "2"]
    with stage.started(arguments, directory / "data", directory / "situs.log") as gateway:
        yield gateway


def expected_s(gateway):
    """The time to the first token that is expected of the only deployment."""
    answer = gateway.call("POST", "/situs/v1/explain", CHAT)
    assert answer.status == 200, answer.body
    return answer.json["decision"]["placement"]["ranked"][0]["ttft_s"]


def all_know(gateway):
    """One worker or the other explains: ten times in a row they agree on more than configured."""
    found = sorted(expected_s(gateway) for _ in range(10))
    return found[0] > 4 * CONFIGURED_S and found[-1] < 1.02 * found[0]


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def told(directory, *arguments):
    """What a command says that reads the stopped gateway's data."""
    config = str(directory / "situs.yaml")
    done = subprocess.run(
        stage.command(*arguments, "--config", config, "--json"), capture_output=True, text=True,
        check=True, env={**os.environ, "SITUS_DATA": str(directory / "data")},
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A gateway whose only place was far slower than configured, stopped; what it expected."""
    directory = tmp_path_factory.mktemp("times")
    with stage.fakes(directory, "office") as fakes:
        fakes["office"].set(mode="slow", delay_s=0.2)
        speed = {"speed": {"ttft_s": CONFIGURED_S, "prompt_tokens_per_s": 100_000}}
        config = stage.fleet(fakes, deployments={"office-llm": speed})
        with two_workers(directory, config) as gateway:
            assert expected_s(gateway) < 2 * CONFIGURED_S
            for _ in range(3):
                assert gateway.chat(stream=True, max_tokens=2).status == 200
            until(lambda: all_know(gateway))
            expected = expected_s(gateway)
            os.kill(gateway.workers()[0], signal.SIGKILL)
            until(lambda: len(gateway.workers()) == 2)
            until(lambda: all_know(gateway))
            assert gateway.stop() == 0
        yield directory, config, expected


def test_a_restart_explains_with_what_was_learned_before(kept):
    directory, config, expected = kept
    with two_workers(directory, config) as gateway:
        for _ in range(4):
            assert expected_s(gateway) == pytest.approx(expected, rel=0.02)
        pace = gateway.call("GET", "/situs/v1/fleet").json["deployments"][0]["state"]["pace"]
        assert pace["fixed_s"] > 4 * CONFIGURED_S
        assert gateway.chat(stream=True).status == 200
    found = told(directory, "policy", "replay")
    assert found["reproduced"]["rankings"] == found["replayed"] == 4
    assert found["reproduced"]["figures_other"] == {"decisions": 0, "ways": []}
    found = told(directory, "explain", "Hello there.")
    assert found["decision"]["placement"]["ranked"][0]["ttft_s"] > 4 * CONFIGURED_S


def test_what_is_damaged_is_said_and_the_gateway_starts(kept):
    directory, config, _ = kept
    (directory / "data" / "times.json").write_bytes(b'{"version": 1, "sha')
    with stage.running(directory, config) as gateway:
        assert expected_s(gateway) < 2 * CONFIGURED_S
        assert "times are learned anew" in gateway.log.read_text()
