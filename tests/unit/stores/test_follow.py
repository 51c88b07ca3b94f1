"""Following chains: every whole line once, in order, from wherever one was."""

import os
import shutil
from pathlib import Path

import pytest
from bench.receipts import outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stores.writing import decide, files, serve, several_segments, writing

from situs.core.record import ReceiptRef
from situs.stores.facts import Begun, Over
from situs.stores.follow import Follower, Join, Position
from situs.stores.layout import receipts_dir


def nothing_earlier(ids):
    return {}


def everything(follower):
    """All that it reads now: ids of decisions, ids of outcomes, and lines."""
    begun, over, lines = [], [], 0
    while (batch := follower.read()) is not None:
        begun += [one.id for one in batch.begun]
        over += [one.outcome.id for one in batch.over]
        lines += batch.lines
        assert not batch.unreadable
    return begun, over, lines


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    data = tmp_path_factory.mktemp("kept") / "data"
    return data, several_segments(data)


def ids(*numbers):
    return [f"req-{number:09d}" for number in numbers]


def test_all_lines_of_all_segments_are_read_in_order(kept):
    data, count = kept
    follower = Follower(receipts_dir(data))
    begun, over, lines = everything(follower)
    assert begun == over == ids(*range(count))
    whole = sum(path.read_bytes().count(b"\n") for path in files(data))
    assert lines == whole
    assert follower.behind() == 0
    assert everything(follower) == ([], [], 0)


def test_places_are_where_the_lines_stand(kept):
    data, _ = kept
    follower = Follower(receipts_dir(data))
    while (batch := follower.read()) is not None:
        for one in [*batch.begun, *batch.over]:
            assert isinstance(one, Begun | Over)
            path = receipts_dir(data) / one.chain / f"{one.first:012d}.jsonl"
            line = path.read_bytes()[one.offset :].partition(b"\n")[0]
            assert f'"chain":"{one.chain}","seq":{one.seq},'.encode() in line


def test_what_is_joined_is_what_was_written(kept):
    data, count = kept
    join, served = Join(), []
    follower = Follower(receipts_dir(data))
    while (batch := follower.read()) is not None:
        served += [one.served() for one in join(batch, nothing_earlier)]
    assert [one.id for one in served] == ids(*range(count))
    [chain] = {one.receipt.chain for one in served}
    first = served[0]
    assert first.receipt == ReceiptRef(chain, 2)
    assert (first.wire, first.asked, first.tenant, first.key) == (
        *("openai.chat", "auto", "default", "-"),
    )
    assert (first.label, first.task, first.objective) == (
        *("confidential", "chat", "cheapest_adequate"),
    )
    assert (first.allowed, first.stream, first.route, first.trace) == (5, False, None, None)
    assert first.outcome.attempts[0].deployment == "d0"
    assert first.outcome.usage == outcome(0).usage


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 130_000), max_size=12), again=st.lists(st.booleans()))
def test_every_line_comes_once_however_it_is_written_and_however_often_one_starts(
    kept, tmp_path_factory, cuts, again
):
    """The record grows by pieces of any size; a reader may start again from its positions."""
    data, count = kept
    copy = tmp_path_factory.mktemp("copy")
    whole = [(path, path.read_bytes()) for path in files(data)]
    size = sum(len(content) for _, content in whole)
    follower, begun, over = Follower(copy), [], []
    for place, cut in enumerate([*sorted(cuts), size]):
        left = cut
        for path, content in whole:
            if left > 0:
                target = copy / path.parent.name / path.name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(content[:left])
            left -= len(content)
        if place < len(again) and again[place]:
            follower = Follower(copy, follower.positions)
        more_begun, more_over, _ = everything(follower)
        begun += more_begun
        over += more_over
    assert begun == over == ids(*range(count))
    shutil.rmtree(copy)


def test_a_torn_tail_waits_until_it_is_whole(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    [path] = files(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    follower = Follower(receipts_dir(tmp_path))
    assert everything(follower)[2] == content.count(b"\n") - 1
    assert follower.behind() == 0
    path.write_bytes(content)
    # The chain was closed before; what comes after that says nothing of requests.
    assert everything(follower) == ([], [], 0)


def test_new_chains_are_found(tmp_path):
    follower = Follower(receipts_dir(tmp_path))
    assert everything(follower) == ([], [], 0)
    for number in range(3):
        with writing(tmp_path) as writer:
            serve(writer, number)
        assert everything(follower)[:2] == (ids(number), ids(number))


def test_segments_that_were_removed_are_skipped(kept, tmp_path):
    shutil.copytree(kept[0], tmp_path / "data")
    follower = Follower(receipts_dir(tmp_path / "data"))
    first, second, *_ = files(tmp_path / "data")
    [chain] = {path.parent.name for path in files(tmp_path / "data")}
    follower.positions[chain] = Position(0, first.read_bytes().find(b"\n") + 1, 1)
    first.unlink()
    begun, over, _ = everything(follower)
    assert begun[-1] == over[-1] == f"req-{kept[1] - 1:09d}"
    assert follower.positions[chain].first == int(files(tmp_path / "data")[-1].stem)
    assert int(second.stem) > 0
    shutil.rmtree(receipts_dir(tmp_path / "data") / chain)
    assert everything(follower) == ([], [], 0)


def test_a_segment_without_a_whole_line_may_still_be_taken_back(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        [path] = files(tmp_path)
        follower = Follower(receipts_dir(tmp_path))
        everything(follower)
        begun = path.with_name("000000000999.jsonl")
        begun.write_bytes(b'{"v":1,"type":"op')
        assert everything(follower)[0] == []
        begun.unlink()
        serve(writer, 2)
        assert everything(follower)[:2] == (ids(2), ids(2))


def test_from_the_end_only_what_is_new_is_read(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        follower = Follower.at_end(receipts_dir(tmp_path))
        assert everything(follower)[0] == []
        serve(writer, 2)
        assert everything(follower)[:2] == (ids(2), ids(2))
    whole = Follower(receipts_dir(tmp_path))
    everything(whole)
    position = Follower.at_end(receipts_dir(tmp_path)).positions.popitem()[1]
    end = whole.positions.popitem()[1]
    assert (position.first, position.offset, position.seq) == (end.first, end.offset, end.seq)


def test_lines_of_other_versions_and_damage_are_counted_and_passed_over(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    [path] = files(tmp_path)
    lines = path.read_bytes().split(b"\n")
    [place] = [n for n, line in enumerate(lines) if b'"type":"outcome"' in line]
    lines[place : place + 1] = [
        lines[place].replace(b'"v":1', b'"v":2'),
        lines[place].replace(b'"status":200', b'"status":"two hundred"'),
        b'{"v":1,"type":"outcome"',
        b"\xff\xfe",
        lines[place],
    ]
    path.write_bytes(b"\n".join(lines))
    batch = Follower(receipts_dir(tmp_path)).read()
    assert batch is not None
    assert batch.unreadable == 4
    assert [over.outcome.id for over in batch.over] == ids(1)


def test_a_line_longer_than_a_block_is_read_whole(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    [path] = files(tmp_path)
    lines = path.read_bytes().split(b"\n")
    [place] = [n for n, line in enumerate(lines) if b'"type":"decision"' in line]
    lines[place] = lines[place][:-1] + b',"later":"' + b"x" * 900_000 + b'"}'
    path.write_bytes(b"\n".join(lines))
    follower = Follower(receipts_dir(tmp_path))
    assert everything(follower)[:2] == (ids(1), ids(1))
    end = Follower.at_end(receipts_dir(tmp_path)).positions.popitem()[1]
    assert end.offset == path.stat().st_size


def test_decisions_that_wait_are_bounded_and_found_elsewhere(tmp_path):
    with writing(tmp_path) as writer:
        for number in range(5):
            decide(writer, number)
        follower, join = Follower(receipts_dir(tmp_path)), Join(waiting=2)
        first = follower.read()
        assert first is not None
        assert join(first, nothing_earlier) == []
        for number in range(5):
            writer.ended(outcome(number))
    second = follower.read()
    assert second is not None
    asked = []
    known = {begun.id: begun for begun in first.begun}

    def earlier(wanted):
        asked.extend(wanted)
        return known

    assert [one.begun.id for one in join(second, earlier)] == ids(*range(5))
    assert asked == ids(0, 1, 2)


def test_a_directory_that_is_not_there_has_nothing(tmp_path):
    follower = Follower(Path(tmp_path / "absent"))
    assert follower.read() is None
    assert follower.behind() == 0


def test_a_chain_that_was_quiet_for_long_is_followed_when_it_goes_on(tmp_path):
    """Times in the past stand for the waiting."""

    def settle():
        for path in (*files(tmp_path), *(p.parent for p in files(tmp_path))):
            os.utime(path, (1.6e9, 1.6e9))
        for _ in range(3):
            assert follower.read() is None

    with writing(tmp_path) as writer:
        serve(writer, 1)
        follower = Follower(receipts_dir(tmp_path))
        everything(follower)
        settle()
        serve(writer, 2)
        assert everything(follower)[:2] == (ids(2), ids(2))
    [path] = files(tmp_path)
    content = path.read_bytes()
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    half = content.index(b"\n", len(content) // 2) + 1
    path.write_bytes(content[:half])
    follower = Follower(receipts_dir(tmp_path))
    everything(follower)
    settle()
    path.with_name(f"{follower.positions[path.parent.name].seq:012d}.jsonl").write_bytes(
        content[half:]
    )
    assert everything(follower)[1][-1:] == ids(2)
    assert follower.behind() == 0
