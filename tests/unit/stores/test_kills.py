"""A killed process loses nothing that it acknowledged, and what is done to its chain shows."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.unit.stores.writing import codes, files, report, retired, serve, witnessing, writing

from situs.stores.layout import chains, is_witness, receipts_dir, segments
from situs.trust.keys import open_signing_key

ROOT = Path(__file__).parents[3]


def killed(data, turns, work, first=0):
    module = "tests.unit.stores.killing"
    command = [sys.executable, "-m", module, data, str(turns), work, str(first)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Thirty killed writers, two at a time, and one witness; and what they acknowledged."""
    data = tmp_path_factory.mktemp("kills") / "data"
    open_signing_key(data / "keys")
    with witnessing(data), ThreadPoolExecutor(2) as pool:
        told = list(pool.map(partial(killed, data, 15, "write"), (0, 15)))
    acknowledged = {}
    for line in "".join(told).splitlines():
        number, ref = line.split()
        acknowledged[ref] = f"req-{int(number):09d}"
    return data, acknowledged


@pytest.fixture
def data(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "data")
    return tmp_path / "data"


def kept(data):
    for path in files(data):
        for raw in path.read_bytes().split(b"\n")[:-1]:
            yield json.loads(raw)


def test_nothing_that_was_acknowledged_is_lost(made):
    data, acknowledged = made
    assert len(acknowledged) > 30
    decided = {f"{x['chain']}:{x['seq']}": x["id"] for x in kept(data) if x["type"] == "decision"}
    assert acknowledged.items() <= decided.items()


def test_all_that_was_written_is_sound_and_the_next_start_is_clean(data):
    before = report(data)
    assert before.problems == ()
    assert before.open_decisions <= 30
    with writing(data) as writer:
        serve(writer, 999)
    after = report(data)
    assert after.problems == ()
    assert after.decisions == before.decisions + 1
    assert len(after.chains) == len(before.chains) + 1


def victims(data):
    """Chains of killed writers that live long enough to have been signed, the last one too."""
    found = [
        folder
        for folder in chains(receipts_dir(data))
        if not is_witness(folder) and b'"checkpoint"' in (folder / "head.json").read_bytes()
    ]
    assert len(found) > 2
    return found[0], found[len(found) // 2], found[-1]


def test_a_removed_chain_of_a_killed_writer_is_missed(data):
    for folder in victims(data):
        folder.rename(data / "gone")
        assert "chain_missing" in codes(data)
        (data / "gone").rename(folder)
    assert codes(data) == set()


def test_a_cut_chain_of_a_killed_writer_is_found_even_with_an_older_head(data):
    for folder in victims(data):
        shutil.copytree(folder, data / "whole")
        first, *others = segments(folder)
        opening = first.read_bytes().splitlines(keepends=True)[0]
        first.write_bytes(opening)
        (folder / "head.json").write_bytes(opening)
        for path in others:
            path.unlink()
        assert "truncated" in codes(data)
        shutil.rmtree(folder)
        (data / "whole").rename(folder)
    assert codes(data) == set()


def test_a_replaced_head_is_found(data):
    one, two, _ = victims(data)
    shutil.copy(one / "head.json", two / "head.json")
    assert codes(data) == {"head_missing"}


def test_chains_of_killed_writers_can_be_retired(data):
    before = report(data)
    assert not [one for one in retired(data) if one.kept]
    assert files(data) == []
    after = report(data)
    assert after.problems == ()
    assert (after.decisions, after.open_decisions) == (before.decisions, before.open_decisions)


def test_killed_while_it_retires_nothing_is_torn_and_the_next_run_finishes(data):
    before = report(data)
    killed(data, 8, "retire")
    assert report(data).problems == ()
    retired(data)
    after = report(data)
    assert after.problems == ()
    assert (after.lines, after.decisions) == (before.lines, before.decisions)
    assert files(data) == []
