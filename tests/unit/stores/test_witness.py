"""The witness: what is cut or taken away is missed, even if nobody else cites it."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.unit.stores.writing import QUICK, codes, report, serve, until, witnessing, writing

from situs.stores.layout import chains, head, is_witness, receipts_dir, segments, tips
from situs.stores.signatory import Pace


def of_type(data, kind):
    found = []
    for folder in chains(receipts_dir(data)):
        for path in segments(folder):
            lines = map(json.loads, path.read_bytes().splitlines())
            found += [line for line in lines if line["type"] == kind]
    return found


def witnessed(data, chain):
    """How far the witness has seen the chain."""
    heads = [h for line in of_type(data, "witness") for h in line["heads"] if h["chain"] == chain]
    return max((h["seq"] for h in heads), default=-1)


def caught_up(data, writer):
    """Whether all lines are signed and the witness has seen that."""
    state = writer.state()
    newest = head(receipts_dir(data) / state.chain)
    return newest is not None and state.lines - 1 == newest.seq == witnessed(data, state.chain)


def one_worker_beside_a_witness(data):
    """Returns the worker's chain; the witness has seen its end, and no other chain cites it."""
    with witnessing(data), writing(data) as writer:
        chain = writer.state().chain
        for number in range(3):
            serve(writer, number)
    assert codes(data) == set()
    return receipts_dir(data) / chain


def test_the_witness_cites_each_newest_checkpoint_and_nobody_cites_it_meanwhile(tmp_path):
    with witnessing(tmp_path), writing(tmp_path) as one, writing(tmp_path) as two:
        for number in range(3):
            for offset, writer in ((0, one), (1, two)):
                serve(writer, 2 * number + offset)
                until(partial(caught_up, tmp_path, writer))
    assert codes(tmp_path) == set()
    [witness] = [f for f in chains(receipts_dir(tmp_path)) if is_witness(f)]
    assert witness.name not in {
        h["chain"] for x in of_type(tmp_path, "witness") for h in x["heads"]
    }
    assert report(tmp_path).decisions == 6


def test_while_nothing_moves_the_witness_writes_nothing(tmp_path):
    with witnessing(tmp_path), writing(tmp_path) as writer:
        serve(writer, 1)
        until(lambda: caught_up(tmp_path, writer))
        until(lambda: all(chain.unsigned == 0 for chain in report(tmp_path).chains))
        before = len(of_type(tmp_path, "witness"))
        rounds = len(of_type(tmp_path, "checkpoint"))
        time.sleep(20 * QUICK.group_s)
        assert len(of_type(tmp_path, "witness")) == before
        assert len(of_type(tmp_path, "checkpoint")) == rounds


def test_a_removed_chain_that_only_the_witness_cites_is_missed(tmp_path):
    shutil.rmtree(one_worker_beside_a_witness(tmp_path))
    assert codes(tmp_path) == {"chain_missing"}


def test_a_cut_chain_with_an_older_head_is_found(tmp_path):
    chain = one_worker_beside_a_witness(tmp_path)
    [path] = segments(chain)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    (chain / "head.json").write_bytes(lines[0])
    assert codes(tmp_path) == {"truncated"}


def test_a_head_of_another_chain_or_of_nothing_is_found(tmp_path):
    chain = one_worker_beside_a_witness(tmp_path)
    own = (chain / "head.json").read_bytes()
    (chain / "head.json").write_bytes(own.replace(b'"seq":', b'"seq": '))
    assert codes(tmp_path) == {"not_as_cited"}
    for nothing in (b"", b"{}", b"\xff"):
        (chain / "head.json").write_bytes(nothing)
        assert codes(tmp_path) == {"head_missing"}


def test_a_changed_witness_is_found(tmp_path):
    one_worker_beside_a_witness(tmp_path)
    [witness] = [f for f in chains(receipts_dir(tmp_path)) if is_witness(f)]
    [path] = segments(witness)
    path.write_bytes(path.read_bytes().replace(b'"heads":[{"chain":"', b'"heads":[{"chain":"0', 1))
    assert {"broken_link", "wrong_root"} <= codes(tmp_path)


def test_a_removed_witness_is_missed_once_another_chain_has_begun(tmp_path):
    one_worker_beside_a_witness(tmp_path)
    with writing(tmp_path):
        pass
    [witness] = [f for f in chains(receipts_dir(tmp_path)) if is_witness(f)]
    shutil.rmtree(witness)
    assert codes(tmp_path) == {"chain_missing"}


def test_a_second_witness_goes_on_where_the_first_ended(tmp_path):
    first = one_worker_beside_a_witness(tmp_path)
    with witnessing(tmp_path), writing(tmp_path) as writer:
        serve(writer, 100)
        until(lambda: caught_up(tmp_path, writer))
    assert codes(tmp_path) == set()
    newest = [f for f in chains(receipts_dir(tmp_path)) if is_witness(f)][-1]
    again = [x for x in of_type(tmp_path, "witness") if x["chain"] == newest.name]
    assert first.name not in {h["chain"] for x in again for h in x["heads"]}


def test_the_witness_rotates_and_still_nothing_is_missed(tmp_path):
    small = Pace(group_s=0.002, segment_bytes=3000)
    with witnessing(tmp_path, small), writing(tmp_path) as writer:
        chain, number = writer.state().chain, 0
        [witness] = [f for f in chains(receipts_dir(tmp_path)) if is_witness(f)]
        while len(segments(witness)) < 3:
            number += 1
            serve(writer, number)
            time.sleep(0.001)
    assert codes(tmp_path) == set()
    shutil.rmtree(receipts_dir(tmp_path) / chain)
    assert codes(tmp_path) == {"chain_missing"}


def test_a_witness_that_cannot_write_says_so_and_makes_up_for_it(tmp_path, caplog):
    receipts_dir(tmp_path).write_text("in the way")
    with witnessing(tmp_path) as witness:
        until(lambda: witness.problem() is not None)
        receipts_dir(tmp_path).unlink()
        until(lambda: witness.problem() is None)
        with writing(tmp_path) as writer:
            serve(writer, 1)
    assert ["cannot write" in told or "writes again" in told for told in caplog.messages] == [
        True,
        True,
    ]
    assert codes(tmp_path) == set()


def test_a_witness_whose_files_are_taken_away_begins_another_chain(tmp_path):
    with witnessing(tmp_path), writing(tmp_path) as writer:
        serve(writer, 1)
        until(lambda: caught_up(tmp_path, writer))
        [old] = [f for f in chains(receipts_dir(tmp_path)) if is_witness(f)]
        old.rename(tmp_path / "gone")
        until(lambda: any(is_witness(f) for f in chains(receipts_dir(tmp_path))))
    assert codes(tmp_path) == {"chain_missing"}


def test_a_chain_that_goes_on_after_it_was_cited_is_cited_again(tmp_path):
    directory = receipts_dir(tmp_path)
    with writing(tmp_path) as one:
        serve(one, 1)
        with writing(tmp_path) as two:
            serve(two, 2)
        serve(one, 3)
    assert {tip.chain for tip in tips(directory)} >= {one_chain(directory, 0)}
    with writing(tmp_path):
        pass
    assert codes(tmp_path) == set()
    first = directory / one_chain(directory, 0)
    [path] = segments(first)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    (first / "head.json").write_bytes(lines[0])
    assert codes(tmp_path) == {"truncated"}


def one_chain(directory, nth):
    return chains(directory)[nth].name


def test_writers_that_start_together_leave_sound_chains(tmp_path):
    with writing(tmp_path) as earlier:
        serve(earlier, 0)

    def work(number):
        with writing(tmp_path) as writer:
            serve(writer, number)

    with witnessing(tmp_path), ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(1, 13)))
    found = report(tmp_path)
    assert found.problems == ()
    assert found.decisions == 13
    assert len(found.chains) == 14


def test_verify_finds_nothing_wrong_in_a_directory_that_is_being_written(tmp_path):
    with witnessing(tmp_path), writing(tmp_path) as writer:
        for number in range(40):
            serve(writer, number)
            if number % 4 == 0:
                with writing(tmp_path) as other:
                    serve(other, 1000 + number)
                assert codes(tmp_path) == set()


def test_a_beginning_that_was_cut_short_is_nobodys_chain(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    half = receipts_dir(tmp_path) / ".0123456789ab"
    half.mkdir()
    (half / "000000000000.jsonl").write_bytes(b'{"v":1,"type":"op')
    with writing(tmp_path) as writer:
        serve(writer, 2)
    assert codes(tmp_path) == set()
    assert len(report(tmp_path).chains) == 2
