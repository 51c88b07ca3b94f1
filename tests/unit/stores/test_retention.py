"""Retired segments leave roots that hold the rest together; an erased salt ties nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.stores.writing import (
    BODY,
    codes,
    decide,
    files,
    long_chain,
    report,
    retired,
    serve,
    several_segments,
    until,
    witnessing,
    writing,
)

from situs.errors import SegmentError
from situs.stores.layout import chains, receipts_dir, roots, segments
from situs.stores.retention import erase
from situs.stores.signatory import Pace
from situs.trust.keys import open_signing_key

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two closed chains, the first of several segments, and the witness that saw them."""
    data = tmp_path_factory.mktemp("retention") / "data"
    with witnessing(data):
        several_segments(data, 5)
        with writing(data) as writer:
            serve(writer, 500_000)
            decide(writer, 500_001)
    assert codes(data) == set()
    return data


@pytest.fixture
def data(made, tmp_path):
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def first_two(data):
    """Retire two segments of the chain that has several; returns its folder."""
    chain = long_chain(data)
    wanted = [path.name for path in segments(chain)[:2]]
    retired(data, ready=lambda name, file: name == chain.name and file in wanted)
    assert [path.stem for path in roots(chain)] == [name[:-6] for name in wanted]
    return chain


def test_without_its_first_segments_a_chain_still_verifies(data):
    before = report(data)
    chain = first_two(data)
    assert not list(chain.glob("000000000000.[js]*"))
    after = report(data)
    assert after.problems == ()
    assert (after.lines, after.decisions, after.outcomes, after.open_decisions) == (
        before.lines,
        before.decisions,
        before.outcomes,
        before.open_decisions,
    )


def test_when_everything_is_retired_the_roots_still_hold(data):
    before = report(data)
    done = retired(data)
    assert files(data) == []
    assert sum(one.lines for one in done) == before.lines
    after = report(data)
    assert after.problems == ()
    assert (after.lines, after.open_decisions) == (before.lines, 1)
    assert retired(data) == []


def test_a_chain_that_begins_later_goes_on_from_the_roots(data):
    retired(data)
    with witnessing(data), writing(data) as writer:
        serve(writer, 900_000)
    assert codes(data) == set()
    shutil.rmtree(long_chain(data))
    assert codes(data) == {"chain_missing"}


def test_a_retired_chain_that_only_retired_ones_cite_is_still_missed(data):
    chain = long_chain(data)
    retired(data)
    shutil.rmtree(chain)
    assert codes(data) == {"chain_missing"}


@pytest.mark.parametrize("nth", [0, 1])
def test_a_segment_without_its_root_is_a_gap(data, nth):
    roots(first_two(data))[nth].unlink()
    assert {"sequence", "broken_link"} <= codes(data)


def test_a_last_segment_without_its_root_is_missed(data):
    chain = long_chain(data)
    retired(data)
    roots(chain)[-1].unlink()
    assert codes(data) == {"truncated"}


def forge(root, **changes):
    line = json.loads(root)
    line.update(changes)
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": 5},
        {"last": "0" * 64},
        {"decisions": 1},
        {"cites": [{"chain": "0123456789ab", "seq": 0, "digest": "0" * 64}]},
        {"waiting": ["invented"]},
        {"chain": "0123456789ab"},
        {"signature": "00" * 64},
    ],
)
def test_a_changed_root_is_found(data, changes):
    path = roots(first_two(data))[1]
    path.write_bytes(forge(path.read_bytes(), **changes))
    assert "bad_signature" in codes(data)


def test_a_root_of_another_place_is_found(data):
    one, two = roots(first_two(data))
    two.write_bytes(one.read_bytes())
    assert {"wrong_chain", "sequence", "broken_link"} <= codes(data)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\n"])
def test_a_root_that_is_none_is_found(data, content):
    roots(first_two(data))[0].write_bytes(content)
    assert {"not_a_receipt", "sequence"} <= codes(data)


def test_a_root_signed_with_another_key_is_found(data):
    first_two(data)
    shutil.rmtree(data / "keys")
    open_signing_key(data / "keys")
    assert codes(data) == {"unknown_key"}


def test_the_checkpoint_over_a_retired_segment_must_be_its_root(data):
    chain = first_two(data)
    with segments(chain)[0].open("rb") as file:
        lines = [json.loads(line) for line in file]
    last = json.loads(roots(chain)[1].read_bytes())
    [over] = [x for x in lines if x["type"] == "checkpoint" and x["first"] == last["first"]]
    assert (over["size"], over["root"]) == (last["lines"], last["root"])


def test_only_what_is_old_enough_goes_and_the_oldest_first(data):
    ends = {}
    for path in files(data):
        ends[path] = json.loads(path.read_bytes().splitlines()[-1])["at"]
    limit = sorted(ends.values())[len(ends) // 2]
    retired(data, older_than=limit)
    for folder in chains(receipts_dir(data)):
        mine = [path for path in ends if path.parent == folder]
        young = [ends[path] >= limit for path in mine]
        left = mine[young.index(True) :] if True in young else []
        assert segments(folder) == left
    assert 0 < len(files(data)) < len(ends)
    assert codes(data) == set()


def test_what_nobody_has_read_yet_stays_with_all_after_it(data):
    chain = long_chain(data)
    second = segments(chain)[1].name
    retired(data, ready=lambda name, file: name == chain.name and file != second)
    assert [path.stem for path in roots(chain)] == ["000000000000"]


def test_a_trial_changes_nothing_and_tells_the_same(data):
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    trial = retired(data, dry_run=True)
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    assert retired(data) == trial


def test_what_is_being_written_stays(tmp_path):
    with writing(tmp_path, Pace(group_s=0.002, segment_bytes=20_000)) as writer:
        number = 0
        while len(files(tmp_path)) < 3:
            serve(writer, number)
            number += 1
            time.sleep(0.0005)
        until(lambda: retired(tmp_path) is not None and len(files(tmp_path)) == 1)
        [kept] = files(tmp_path)
        assert retired(tmp_path) == []
        serve(writer, number)
        assert codes(tmp_path) == set()
    assert kept == files(tmp_path)[0]
    assert codes(tmp_path) == set()


def test_what_does_not_verify_is_not_signed_away(data):
    chain = long_chain(data)
    path = segments(chain)[1]
    path.write_bytes(path.read_bytes().replace(b'"jurisdiction":"DE"', b'"jurisdiction":"US"', 1))
    before = codes(data)
    done = [one for one in retired(data) if one.chain == chain.name]
    assert [one.kept is None for one in done] == [True, False]
    assert done[-1].kept in before
    assert path.exists()
    assert codes(data) == before


def die():
    """Serve a request and be killed before it is signed."""
    with writing(Path(sys.argv[1]), Pace(group_s=60)) as writer:
        serve(writer, 1)
        os.kill(os.getpid(), signal.SIGKILL)


def test_an_unsigned_tail_that_was_changed_is_not_signed_away(tmp_path):
    script = "from tests.unit.stores.test_retention import die; die()"
    with witnessing(tmp_path):
        subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, timeout=60)
        with writing(tmp_path):
            pass
    [path] = [path for path in files(tmp_path) if b'"type":"outcome"' in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b'"status":200', b'"status":500'))
    assert codes(tmp_path) == {"not_as_cited"}
    assert [one.kept for one in retired(tmp_path) if one.chain == path.parent.name] == [
        "not_as_cited"
    ]


@pytest.mark.parametrize("gone", ["nothing", "salts"])
def test_a_retirement_that_was_cut_short_is_finished(data, gone, tmp_path):
    chain = long_chain(data)
    path = segments(chain)[0]
    kept = {p: p.read_bytes() for p in chain.glob("000000000000.*")}
    retired(data, ready=lambda name, file: (name, file) == (chain.name, path.name))
    for one, content in kept.items():
        if gone == "nothing" or one.suffix != ".salts":
            one.write_bytes(content)
    assert codes(data) == set()
    retired(data, older_than=0)
    assert not path.exists()
    assert not path.with_suffix(".salts").exists()
    assert codes(data) == set()


def test_beginnings_that_nobody_finished_are_swept_away_in_time(data):
    old, young = (receipts_dir(data) / name for name in (".0123456789ab", ".ba9876543210"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "000000000000.jsonl").write_bytes(b"{")
    os.utime(old, (1.0, 1.0))
    retired(data, older_than=0)
    assert not old.exists()
    assert young.exists()


def decisions(path):
    lines = map(json.loads, path.read_bytes().splitlines())
    return [line["request"] for line in lines if line["type"] == "decision"]


def test_an_erased_salt_ties_the_line_to_no_request_and_all_verifies(data):
    path = segments(long_chain(data))[0]
    one, two = decisions(path)[:2]

    def digest(request):
        salt = path.with_suffix(".salts").read_bytes()[16 * request["salt"] :][:16]
        return sha256(salt + BODY).hexdigest()

    assert digest(one) == one["digest"]
    assert erase(receipts_dir(data), path.parent.name, path.name, one["salt"])
    assert digest(one) != one["digest"]
    assert digest(two) == two["digest"]
    assert codes(data) == set()
    assert not erase(receipts_dir(data), path.parent.name, path.name, one["salt"])


def test_a_salt_is_erased_while_its_segment_is_written(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        [path] = files(tmp_path)
        [request] = decisions(path)
        assert erase(receipts_dir(tmp_path), path.parent.name, path.name, request["salt"])
        for number in range(2, 600):
            serve(writer, number)
        salts = path.with_suffix(".salts").read_bytes()
    assert salts[:16] == bytes(16)
    assert all(salts[16 * n : 16 * n + 16] != bytes(16) for n in range(1, 599))
    assert codes(tmp_path) == set()


def test_a_salt_that_is_not_here_cannot_be_erased(data):
    path = segments(long_chain(data))[0]
    with pytest.raises(SegmentError, match="position 99999"):
        erase(receipts_dir(data), path.parent.name, path.name, 99_999)
    path.with_suffix(".salts").unlink()
    with pytest.raises(SegmentError, match="no salt"):
        erase(receipts_dir(data), path.parent.name, path.name, 0)
