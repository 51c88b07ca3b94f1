"""Drills for real: gateways of their own, fakes upstream."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.e2e.stage import command, fakes, fleet, running, write_config
from tests.fakes.otlp_collector import fake_collector
from tests.weights import data_with_weights

from situs.cli.admin import OverSocket, ask
from situs.studies.drill_run import can_have_namespace


@pytest.fixture
def stage(tmp_path):
    with fakes(tmp_path, "office", "us") as known:
        yield tmp_path, known


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    with fakes(folder, "office", "us") as known, running(folder, fleet(known)) as gateway:
        yield gateway


def drilled(folder, config, *arguments):
    file = write_config(folder, config)
    line = ("drill", *arguments, "--config", str(file), "--data", str(folder / "data"), "--json")
    done = subprocess.run(command(*line), capture_output=True, text=True, timeout=100)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_in_a_blackout_owned_models_go_on_and_nobody_else_is_reached(stage):
    folder, known = stage
    page = folder / "report.html"
    with fake_collector() as collector:
        config = fleet(known, telemetry={"otlp": {"endpoint": collector.url}})
        code, report = drilled(folder, config, "blackout", "--sample", "6", "--html", str(page))
        assert collector.bodies == []
    assert (code, report["passed"], report["continuity"]) == (0, True, 1.0)
    assert report["dark"] == ["us"]
    assert report["moved"]["us-llm -> office-llm"] == 2
    assert (report["answers_compared"], report["answers_changed"]) == (4, [])
    assert report["prices_changed"] == report["reached"] == []
    assert len(known["us"].requests()) == 2  # the normal run's
    assert known["us"].traffic()[0] == 1
    assert "passed" in page.read_text()
    assert not (folder / "data").exists()


def test_without_an_owned_model_that_can_take_it_the_blackout_fails_and_says_why(stage):
    folder, known = stage
    config = fleet({"us": known["us"]})
    code, report = drilled(folder, config, "blackout", "--sample", "1")
    assert (code, report["passed"], report["continuity"]) == (1, False, 0.0)
    assert report["failed"][0]["code"] == "all_deployments_failed"
    assert "us-llm: dark (by the drill)" in report["failed"][0]["message"]
    assert "situs decisions" not in report["failed"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["exit", "--provider", "nobody"], "no locus is of nobody"),
        (["exit"], "exactly one of"),
        (["exit", "--provider", ""], "--provider: it is empty"),
        (["exit", "--jurisdiction", " "], "--jurisdiction: it is empty"),
        (["exit", "--provider", "us", "--jurisdiction", "AU"], "exactly one of"),
    ],
)
def test_a_drill_of_nothing_is_refused(stage, arguments, told):
    folder, known = stage
    file = write_config(folder, fleet(known))
    line = command("drill", *arguments, "--config", str(file))
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_live_drill_darkens_the_running_gateway_and_only_while_it_runs(stage):
    folder, known = stage
    config = fleet(known)
    with running(folder, config) as gateway:
        for _ in range(2):  # there are connections to be kept
            assert gateway.chat(model="us-llm").headers["x-situs-deployment"] == "us-llm"
        before = known["us"].traffic()[0]
        code, report = drilled(folder, config, "blackout", "--live", "--sample", "6")
        assert (code, report["continuity"], report["reached"]) == (0, 1.0, [])
        assert report["moved"]["us-llm -> office-llm"] == 2
        assert len(known["us"].requests()) == 2 + 2  # the normal run's
        assert known["us"].traffic()[0] == before
        comes_back(gateway)


def test_two_live_drills_do_not_meet_and_one_that_was_killed_is_no_obstacle(stage):
    folder, known = stage
    config = fleet(known)
    with running(folder, config) as gateway:
        file = write_config(folder, config)
        line = (
            "drill",
            "blackout",
            "--live",
            "--config",
            str(file),
            "--data",
            str(folder / "data"),
        )
        with subprocess.Popen(
            command(*line, "--duration", "60"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ) as first:
            deadline = time.monotonic() + 40
            while not known["us"].requests():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            done = subprocess.run(command(*line), capture_output=True, text=True)
            assert done.returncode == 2
            assert f"Process {first.pid} already runs a drill on " in done.stderr
            assert "Wait until it is over" in done.stderr
            first.kill()
        darken(gateway, b'{"loci": ["us"], "for_s": 60}')  # as the one that was killed left it
        code, report = drilled(folder, config, "blackout", "--live", "--sample", "6")
        assert (code, report["moved"]) == (
            0,
            {"office-llm -> office-llm": 4, "us-llm -> office-llm": 2},
        )


def darken(gateway, body):
    path = str(gateway.data / "admin.sock")
    return ask(OverSocket(Path(path)), path, "POST", "/situs/v1/dark", body)[0]


def test_what_nobody_keeps_dark_comes_back_by_itself_as_after_a_drill_that_was_killed(live):
    assert darken(live, b'{"loci": ["us"], "for_s": 2}') == 200
    assert live.chat(model="us-llm").code == "all_deployments_failed"
    comes_back(live)


def comes_back(gateway):
    """A moment later: what had failed is tried again."""
    deadline = time.monotonic() + 60
    while gateway.chat(model="us-llm").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize(
    "body", [b"[]", b'{"loci": "us"}', b'{"loci": ["us"], "for_s": 61}', b'{"loci": ["moon"]}']
)
def test_what_is_no_darkness_is_refused(body, live):
    assert darken(live, body) >= 400
    assert live.chat(model="us-llm").status == 200


def processes(word):
    """Those whose command line has the word."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in line.read_bytes():
                found.append(int(line.parent.name))
        except OSError:
            continue
    return found


def test_a_drill_that_is_killed_leaves_no_process_and_so_no_block_behind(stage):
    folder, known = stage
    file = write_config(folder, fleet(known))
    line = ("drill", "blackout", "--duration", "60", "--config", str(file))
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command(*line), env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 40
        while not known["office"].requests():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    gateways = str(temporary).encode()
    while processes(gateways):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_with_the_real_model_a_drill_runs_in_a_network_namespace(tmp_path):
    data = data_with_weights(tmp_path)
    line = command("drill", "blackout", "--sample", "2", "--data", str(data), "--json")
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=110)
    report = json.loads(done.stdout)
    assert (done.returncode, report["continuity"], report["answers_changed"]) == (0, 1.0, [])
    assert report["answers_compared"] == 2
    assert report["held"]["namespace"] == (can_have_namespace() or "held")
