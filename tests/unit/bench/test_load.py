import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench import processes, workload
from bench.gateway import middle, with_added
from bench.load import http_requests, percentiles
from bench.processes import cpu_s, family, resident_mb, running
from tests.fakes.openai_server import fake_process


def load(fake, *options):
    url = f"{fake.base_url}/chat/completions"
    command = [sys.executable, "-m", "bench.load", "--url", url, "--count", "50", "--warmup", "0"]
    done = subprocess.run(
        [*command, "--seconds", "0.4", *options],
        cwd=processes.ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    with fake_process(tmp_path_factory.mktemp("fake")) as running_fake:
        yield running_fake


def test_closed_loop_sends_distinct_prompts_and_counts_answers(fake):
    fake.set(mode="ok")
    got = load(fake, "--connections", "4")
    assert got["failed"] == {}
    assert got["total"] > 50
    assert got["p50_ms"] > 0
    assert len({request["body"] for request in fake.requests()}) == 50


def test_what_is_not_200_is_counted_by_status(fake):
    fake.set(mode="status_429")
    got = load(fake, "--connections", "2")
    assert got["failed"] == {"429": got["total"]}
    assert "p50_ms" not in got


def test_a_lost_connection_is_counted_and_replaced(fake):
    fake.set(mode="cut_before_first_byte")
    assert load(fake, "--connections", "2")["failed"]["connection lost"] > 2


def test_open_loop_counts_the_wait_for_a_connection(fake):
    """One connection, 50 a second, 50 ms an answer: the backlog must show in the latencies."""
    fake.set(mode="slow", delay_s=0.0125)
    got = load(fake, "--connections", "1", "--rate", "50")
    assert got["max_ms"] > 150


def test_workload_is_the_same_every_time_and_distinct():
    bodies = workload.bodies(workload.documents(300))
    assert bodies == workload.bodies(workload.documents(300))
    assert len(set(bodies)) == 300
    assert 1700 < sum(map(len, bodies)) / 300 < 2300
    assert 10 < sum(b"@example.org" in body for body in bodies) < 60


def test_a_request_is_whole():
    request = http_requests("http://h:1/v1/x?y=1", [b"{}"], {"a": "b"})[0]
    assert request == (
        b"POST /v1/x?y=1 HTTP/1.1\r\nhost: h:1\r\ncontent-type: application/json\r\na: b"
        b"\r\ncontent-length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([0.001], {"p50_ms": 1, "p90_ms": 1, "p99_ms": 1, "max_ms": 1}),
        (
            [i / 1000 for i in range(100)],
            {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "max_ms": 99},
        ),
    ],
)
def test_percentiles(values, expected):
    assert percentiles(values, "") == expected


def test_added_is_the_gateway_less_the_bare_upstream():
    row = with_added({"fixed_p50_ms": 1.5, "ttft_p50_ms": None}, {"fixed_p50_ms": 0.5})
    assert row["added_p50_ms"] == 1.0
    assert "added_ttft_p50_ms" not in row


def test_rounds_are_summed_up_by_median_and_range():
    rounds: list[dict[str, object]] = [{"rps": r, "failed": {}, "workload": "w"} for r in (1, 9, 2)]
    row = middle(rounds)
    assert (row["rps"], row["rps_range"], row["rounds"]) == (2, [1, 9], 3)


def test_the_whole_process_tree_is_measured_and_ended(tmp_path):
    burn = "import time; t = time.process_time()\nwhile time.process_time() < t + .2: pass\n"
    child = tmp_path / "child.py"
    child.write_text(burn + "print('burnt', flush=True); time.sleep(60)")
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, {str(child)!r}], stdout=subprocess.PIPE)\n"
        f"p.stdout.readline(); open({str(tmp_path / 'ready')!r}, 'w').close(); p.wait()\n"
    )
    with running([sys.executable, str(parent)], {*processes.cores()[0]}) as process:
        while not (tmp_path / "ready").exists():
            assert process.poll() is None
        pids = family(process.pid)
        assert len(pids) == 2
        assert cpu_s(process.pid) >= 0.2
        assert resident_mb(process.pid) > 3
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a process was left"
        time.sleep(0.01)
