"""The index and the ledger over a gateway that runs, is killed, and runs again."""

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from tests.e2e.stage import command, fakes, fleet, running

CANARY = "quokka-7419-canary"
EMAIL = "canary.person@" + "example.org"


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory):
    with fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as both:
        yield both


def situs(*arguments, data):
    done = subprocess.run(
        command(*arguments, "--data", str(data)), capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode()


def ledger(data):
    with closing(sqlite3.connect(data / "index.db")) as db:
        return dict(db.execute("SELECT id, status FROM ledger"))


def until(condition, limit_s=20.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_the_ledger_has_each_request_once_also_after_a_kill(upstreams, tmp_path):
    config, answered = fleet(upstreams), {}

    def call(gateway, text, **fields):
        answer = gateway.chat(text, **fields)
        answered[answer.headers["x-situs-request-id"]] = answer.status

    with running(tmp_path, config) as gateway:
        for number in range(8):
            call(gateway, f"Say {CANARY} {number}.", stream=number % 2 == 0)
        call(
            gateway, f"Write to {EMAIL}.", model="us-model", headers={"x_situs_label": "restricted"}
        )
        until(lambda: (gateway.data / "index.db").exists() and len(ledger(gateway.data)) == 9)
        assert ledger(gateway.data) == answered
        assert sorted(set(answered.values())) == [200, 403]
        for number in range(5):
            call(gateway, f"Again {number}.")
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait(10)
    with running(tmp_path, config) as gateway:
        call(gateway, "Once more.")
        until(lambda: len(ledger(gateway.data)) == 15)
        data = gateway.data
        rows = json.loads(situs("usage", "--by", "tenant", "--json", data=data))
        assert [(row["requests"], row["sent"]) for row in rows] == [(15, 14)]
        told = situs("decisions", "tail", "--status", "4xx", "--json", data=data).splitlines()
        assert [json.loads(line)["outcome"]["code"] for line in told] == ["placement_denied"]
    assert ledger(data) == answered
    files = [path.read_bytes() for path in data.glob("index.db*")]
    assert files
    assert not any(CANARY.encode() in text or EMAIL.encode() in text for text in files)
    before = ledger(data)
    situs("index", "rebuild", data=data)
    assert ledger(data) == before
    assert "current" in situs("index", "status", data=data)
