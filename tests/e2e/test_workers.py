"""Parent and workers: what holds for one holds for all, and no death loses what was promised."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.e2e import stage
from tests.fakes.openai_server import read_log


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as both:
        yield both


@contextlib.contextmanager
def two_workers(directory, config, port=0):
    path = stage.write_config(directory, config)
    arguments = ["serve", "--config", str(path), "--workers", "2"]
    with stage.started(arguments, directory / "data", directory / "situs.log", port) as gateway:
        yield gateway


class Load:
    """Callers that go on asking, each on its own connection, until the block ends."""

    def __init__(self, gateway, callers=4, pause_s=0.005):
        self.gateway, self.pause_s = gateway, pause_s
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.lost: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(callers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _call(self, number):
        connection = self._connection()
        count = 0
        while not self._over.is_set():
            count += 1
            document = {
                "model": "auto",
                "stream": count % 3 == 0,
                "messages": [{"role": "user", "content": f"Hello {number} for the {count}th time"}],
            }
            try:
                head = {"content-type": "application/json"}
                connection.request("POST", stage.CHAT, json.dumps(document), head)
                answer = connection.getresponse()
                answer.read()
                self.answers.append((answer.status, dict(answer.getheaders())))
            except OSError as error:
                self.lost.append(repr(error))
                connection.close()
                connection = self._connection()
            except http.client.HTTPException as error:
                self.lost.append(repr(error))
                connection.close()
                connection = self._connection()
            time.sleep(self.pause_s)
        connection.close()

    def _connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)

    def statuses(self):
        return Counter(status for status, _ in self.answers)


def until(condition, wait_s=15.0):
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def verified(data: Path):
    done = subprocess.run(
        stage.command("receipts", "verify", "--json", "--data", str(data)), capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def most_at_once(log):
    """How many requests the fake was answering at the same time, at most."""
    busy, most = set(), 0
    for event in read_log(log):
        if event["event"] == "request":
            busy.add(event["connection"])
        elif event["event"] in ("answered", "closed"):
            busy.discard(event["connection"])
        most = max(most, len(busy))
    return most


def sent(fakes):
    return sum(len(fake.requests()) for fake in fakes.values())


def test_each_worker_has_a_chain_of_its_own_and_all_verify(tmp_path, fakes):
    with two_workers(tmp_path, stage.fleet(fakes)) as gateway:
        with Load(gateway, callers=8) as load:
            until(lambda: len(load.answers) > 300)
        chains = {h["x-situs-receipt"].split(":")[0] for _, h in load.answers}
    assert set(load.statuses()) == {200}
    assert len(chains) == 2
    verified(gateway.data)


def test_a_deployments_limit_holds_over_all_workers(tmp_path):
    with stage.fakes(tmp_path, "office") as fakes:
        fakes["office"].set(mode="slow", delay_s=0.1)
        config = stage.fleet(fakes)
        config["deployments"]["office-llm"]["max_in_flight"] = 3
        with two_workers(tmp_path, config) as gateway, Load(gateway, 10, 0.0) as load:
            until(lambda: load.statuses()[200] >= 12)
        assert most_at_once(fakes["office"].log) == 3
    assert set(load.statuses()) == {200}, "the others wait"


def test_a_killed_worker_is_replaced_and_the_others_go_on(tmp_path, fakes):
    with two_workers(tmp_path, stage.fleet(fakes)) as gateway:
        first = gateway.workers()
        with Load(gateway) as load:
            until(lambda: len(load.answers) > 50)
            os.kill(first[0], signal.SIGKILL)
            until(lambda: len(set(gateway.workers()) - set(first)) == 1)
            before = len(load.answers)
            until(lambda: len(load.answers) > before + 50)
        assert set(load.statuses()) == {200}
        assert len(load.lost) <= 4  # one a caller: those that it was serving
        assert first[1] in gateway.workers()
        assert "another takes its place" in gateway.log.read_text()
    report = verified(gateway.data)
    assert report["open_decisions"] <= len(load.lost)


def test_a_worker_asked_to_end_finishes_first_and_is_replaced(tmp_path, fakes):
    with two_workers(tmp_path, stage.fleet(fakes)) as gateway:
        first = gateway.workers()
        with Load(gateway) as load:
            until(lambda: len(load.answers) > 20)
            os.kill(first[0], signal.SIGTERM)
            until(lambda: first[0] not in gateway.workers() and len(gateway.workers()) == 2)
        assert set(load.statuses()) <= {200, 503}
    assert verified(gateway.data)["open_decisions"] == 0


def test_a_worker_that_hangs_is_replaced(tmp_path, fakes):
    with two_workers(tmp_path, stage.fleet(fakes)) as gateway:
        hung = gateway.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        until(lambda: hung not in gateway.workers() and len(gateway.workers()) == 2, 30.0)
        assert "does not answer" in gateway.log.read_text()
        assert gateway.chat().status == 200


def test_workers_go_when_their_parent_is_killed_and_a_new_one_starts_cleanly(tmp_path, fakes):
    before = sent(fakes)
    with two_workers(tmp_path, stage.fleet(fakes)) as gateway:
        workers = gateway.workers()
        with Load(gateway) as load:
            until(lambda: len(load.answers) > 50)
            gateway.process.kill()
            gateway.process.wait(5)
            until(lambda: not any(alive(pid) for pid in workers))
    decided = {line["id"] for line in gateway.lines("decision")}
    assert sent(fakes) - before <= len(decided)
    assert verified(gateway.data)["open_decisions"] == 0  # they drained
    with two_workers(tmp_path, stage.fleet(fakes), gateway.port) as again:
        assert again.port == gateway.port
        assert again.chat().status == 200
    verified(gateway.data)


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
