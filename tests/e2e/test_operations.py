"""Starting, stopping, and what an operator can get wrong."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.e2e import stage


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("operations"), "office", "us") as fakes:
        yield fakes


def refused(directory: Path, config, *more: str, env=None) -> str:
    """Starts a gateway that must refuse to start; returns what it says."""
    file = stage.write_config(directory, config)
    done = subprocess.run(
        stage.command(
            "serve", "--config", str(file), "--data", str(directory / "data"), "--port", "0", *more
        ),
        capture_output=True,
        timeout=30,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 2, done
    said = done.stderr.decode()
    assert "Traceback" not in said
    return said


def test_an_unknown_key_is_told_with_line_and_nearest(tmp_path, fakes):
    text = json.dumps(stage.fleet(fakes), indent=1).replace('"jurisdiction"', '"juristiction"', 1)
    line = text[: text.index("juristiction")].count("\n") + 1
    said = refused(tmp_path, text)
    assert f"situs.yaml:{line}:" in said
    assert "jurisdiction" in said


def test_a_missing_secret_is_told_by_its_reference(tmp_path, fakes):
    config = stage.fleet(
        fakes, deployments={"us-llm": {"endpoint": {"key": "env:SITUS_TEST_ABSENT"}}}
    )
    said = refused(tmp_path, config)
    assert "env:SITUS_TEST_ABSENT" in said
    assert "deployments.us-llm.endpoint.key" in said


def test_a_port_in_use_is_told(tmp_path, fakes):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, stage.fleet(fakes), "--port", str(port))
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


def test_beyond_loopback_is_refused_without_keys(tmp_path, fakes):
    said = refused(tmp_path, stage.fleet(fakes, server={"host": "0.0.0.0"}))
    assert "loopback" in said


ALLOW = "package situs\nimport rego.v1\nallow contains d.name if some d in input.deployments\n"


@pytest.mark.parametrize(
    ("rego", "told"),
    [
        ("package situs\nimport rego.v1\nallow contains name if {", "3"),
        (ALLOW + "deny contains x if x := http.send({}).body", "http.send"),
        (ALLOW + "deny contains x if x := time.now_ns()", "time.now_ns"),
        ("package situs\nimport rego.v1\n", "allow"),
    ],
)
def test_a_policy_that_may_not_be_loaded_is_told_with_file_and_line(tmp_path, fakes, rego, told):
    (tmp_path / "mine.rego").write_text(rego)
    said = refused(tmp_path, stage.fleet(fakes, policy={"paths": ["mine.rego"]}))
    assert "mine.rego" in said
    assert told in said


def test_a_second_gateway_on_one_data_directory_is_refused(tmp_path, fakes):
    with stage.running(tmp_path, stage.fleet(fakes)) as gateway:
        said = refused(tmp_path, stage.fleet(fakes))
        assert str(gateway.process.pid) in said
        assert "--data" in said
        assert gateway.chat().status == 200


def test_corrupted_weights_are_not_loaded_and_are_told(tmp_path, fakes):
    entry = json.loads(
        subprocess.run(
            stage.command("models", "list", "--json", "--data", str(tmp_path / "data")),
            capture_output=True,
            check=True,
        ).stdout
    )[0]
    weights = Path(entry["path"])
    weights.parent.mkdir(parents=True)
    with weights.open("wb") as file:
        file.truncate(entry["size"])
    local = {
        "models": {"small": {"file": entry["name"], "capability": "tiny", "context_tokens": 2048}},
        "deployments": {
            "local": {
                "model": "small",
                "locus": "office",
                "runtime": {"kind": "llama_cpp"},
                "price": {"currency": "USD", "prompt": 0.01, "completion": 0.01},
            }
        },
    }
    with stage.running(tmp_path, stage.merge(stage.fleet(fakes), local)) as gateway:
        answer = gateway.chat(model="local")
        assert (answer.status, answer.code) == (503, "no_capacity")
        assert gateway.chat(model="office-llm").status == 200
        assert "models lock" in gateway.log.read_text()
        assert "sha256" in gateway.log.read_text()


def test_sigterm_during_a_stream_lets_it_end_and_takes_no_new_request(tmp_path, fakes):
    with stage.running(tmp_path, stage.fleet(fakes)) as gateway:
        fakes["office"].set(mode="slow", delay_s=0.15, once=True)
        kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        kept.request("GET", "/livez")
        assert kept.getresponse().read()
        got: list[stage.Response] = []
        reader = threading.Thread(target=lambda: got.append(gateway.chat(stream=True)))
        reader.start()
        time.sleep(0.4)
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(OSError):  # noqa: PT011 - refused or closed, as the kernel has it
            gateway.chat()
        reader.join(20)
        assert gateway.process.wait(20) == 0
        assert stage.events(got[0])[-1] == "[DONE]"
        outcome = gateway.outcome(got[0].headers["x-situs-request-id"])
        assert [a["end"] for a in outcome["attempts"]] == ["complete"]
        assert len(gateway.lines("close")) == 2  # the worker's chain, and the witness
        kept.close()


def test_what_runs_longer_than_the_drain_is_told_and_recorded_as_stopped(tmp_path, fakes):
    config = stage.fleet(
        fakes,
        server={"drain_s": 0.5},
        defaults={"answer_timeout_s": 30.0, "first_byte_timeout_s": 30.0},
    )
    with stage.running(tmp_path, config) as gateway:
        fakes["office"].set(mode="slow", delay_s=0.4, once=True)
        fakes["us"].set(mode="hang_before_head", once=True)
        streamed, waiting = [], []
        readers = [
            threading.Thread(
                target=lambda: streamed.append(
                    gateway.chat("word " * 200, model="office-llm", stream=True)
                )
            ),
            threading.Thread(target=lambda: waiting.append(gateway.chat(model="us-llm"))),
        ]
        for reader in readers:
            reader.start()
        time.sleep(1.0)
        gateway.process.send_signal(signal.SIGTERM)
        for reader in readers:
            reader.join(20)
        assert gateway.process.wait(20) == 0
        assert "waiting for 2 requests" in gateway.log.read_text()
        assert "Traceback" not in gateway.log.read_text()
        events = stage.events(streamed[0])
        assert events[-1]["error"]["code"] == "stream_broken"
        assert (waiting[0].status, waiting[0].code) == (503, "draining")
        ends = [a["end"] for line in gateway.lines("outcome") for a in line["attempts"]]
        assert ends == ["stopped", "stopped"]


def test_up_with_a_model_that_cannot_be_loaded_ends(tmp_path):
    listed = subprocess.run(
        stage.command("models", "list", "--json", "--data", str(tmp_path)),
        capture_output=True,
        check=True,
    )
    for entry in json.loads(listed.stdout):
        weights = Path(entry["path"])
        weights.parent.mkdir(parents=True, exist_ok=True)
        with weights.open("wb") as file:
            file.truncate(entry["size"])
    done = subprocess.run(
        stage.command("up", "--data", str(tmp_path), "--port", "0"),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert b"No model could be loaded" in done.stderr
    assert b"sha256" in done.stderr
    assert b"curl" not in done.stdout


def test_a_killed_gateway_leaves_a_chain_that_verifies(tmp_path, fakes):
    with stage.running(tmp_path, stage.fleet(fakes)) as gateway:
        served = [gateway.chat().headers["x-situs-request-id"] for _ in range(20)]
        gateway.process.kill()
        gateway.process.wait(5)
    recorded = {line["id"] for line in gateway.lines("decision")}
    assert set(served) <= recorded
    verify = stage.command("receipts", "verify", "--data", str(gateway.data))
    assert subprocess.run(verify, capture_output=True).returncode == 0
    with stage.running(tmp_path, stage.fleet(fakes)) as again:
        assert again.chat().status == 200
    assert subprocess.run(verify, capture_output=True).returncode == 0


def test_without_the_labels_of_sessions_others_are_served_and_it_is_told(tmp_path, fakes):
    with stage.running(tmp_path, stage.fleet(fakes)) as gateway:
        session = {"x_situs_session": "4711"}
        assert gateway.chat(headers=session).status == 200
        assert gateway.call("GET", "/readyz").json["sessions"] is None
        for path in gateway.data.glob("sessions.db*"):
            path.write_bytes(b"nothing of the kind" * 1000)
        assert gateway.chat(headers=session).code == "cannot_record"
        assert gateway.chat().status == 200
        ready = gateway.call("GET", "/readyz")
        assert (ready.status, "sessions.db" in ready.json["sessions"]) == (200, True)
        for path in gateway.data.glob("sessions.db*"):
            path.unlink(missing_ok=True)
        assert gateway.chat(headers=session).status == 200
        assert gateway.call("GET", "/readyz").json["sessions"] is None


def test_after_a_clean_stop_all_is_signed_and_anchored(tmp_path, fakes):
    """It anchors at its start, and then not for an hour."""
    receipts = {"anchor": {"to": "anchors.jsonl", "every_min": 60}}
    with stage.running(tmp_path, stage.fleet(fakes, receipts=receipts)) as gateway:
        assert gateway.chat().status == 200
        assert gateway.stop() == 0
    anchored = set()
    for line in (tmp_path / "anchors.jsonl").read_text().splitlines():
        anchored |= set(json.loads(line)["heads"])
    heads = list((gateway.data / "receipts").glob("*/head.json"))
    assert len(heads) == 2  # a worker and the witness
    for head in heads:
        last = head.with_name("000000000000.jsonl").read_text().splitlines()[-1]
        assert last == head.read_text().strip()
        assert last in anchored


def test_a_segment_that_cannot_be_written_is_a_503_and_nothing_leaves(tmp_path, fakes):
    with stage.running(tmp_path, stage.fleet(fakes)) as gateway:
        assert gateway.chat().status == 200
        [worker] = gateway.workers()
        limit_file_size(worker, 0)
        before = [fake.traffic() for fake in fakes.values()]
        for stream in (False, True):
            answer = gateway.chat(stream=stream)
            assert (answer.status, answer.code) == (503, "cannot_record")
        assert [fake.traffic() for fake in fakes.values()] == before
        assert gateway.call("GET", "/readyz").status == 503
        limit_file_size(worker, -1)
        deadline = time.monotonic() + 10
        while gateway.chat().status != 200:
            assert time.monotonic() < deadline, "it never recovered"
            time.sleep(0.1)


def limit_file_size(pid: int, limit: int) -> None:
    import resource

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, -1))


def test_start_up_needs_no_network(tmp_path, fakes):
    """In a namespace without any network the gateway still starts."""
    unshare = shutil.which("unshare")
    allowed = unshare and subprocess.run([unshare, "-rn", "true"], capture_output=True)
    if not unshare or not allowed or allowed.returncode:
        pytest.skip("this machine does not let a test make a network namespace")
    file = stage.write_config(tmp_path, stage.fleet(fakes))
    arguments = ["serve", "--config", str(file), "--data", str(tmp_path / "data"), "--port", "0"]
    script = 'ip link set lo up 2>/dev/null; exec "$@"'
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [unshare, "-rn", "sh", "-c", script, "-", *stage.command(*arguments)],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 20
        while "Situs listens on" not in (tmp_path / "log").read_text():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(10)
