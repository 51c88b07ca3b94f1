"""The endurance runs in their smallest form: real load, real kills, the same books."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.e2e import stage


def run(name, *options):
    command = [sys.executable, "-m", f"bench.{name}", "--dry", *options]
    done = subprocess.run(command, cwd=stage.ROOT, capture_output=True)
    assert done.stdout, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_books_of_a_short_soak_agree():
    row = run("soak", "--requests", "400", "--callers", "8", "--every", "0.1")
    assert row["wrong"] == []
    assert row["sent"] == 400
    assert 300 < row["outcomes"] == row["ledger"] <= row["decisions"]
    assert row["arrived"] > 300


def test_nothing_that_left_lacks_a_receipt_after_kills():
    row = run("crash", "--kills", "4", "--callers", "8", "--seed", "3")
    assert row["wrong"] == []
    assert {"parent", "worker"} <= row["killed"].keys()
    assert row["arrived"] > 0


def test_reloads_lose_nothing_and_mix_nothing():
    row = run("reload", "--times", "4", "--rate", "60", "--seconds", "1.5")
    assert [text for text in row["wrong"] if "a second of" not in text] == []
    assert row["answered"] > 100
