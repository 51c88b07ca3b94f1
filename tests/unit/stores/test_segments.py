"""The writer: what is acknowledged stays, what cannot be written stops the request."""

import itertools
import json
import os
import time
from collections.abc import Callable
from hashlib import sha256

import pytest
from bench.receipts import decided, fleet, outcome
from tests.unit.stores.writing import (
    BODY,
    QUICK,
    codes,
    decide,
    files,
    refused,
    report,
    serve,
    several_segments,
    until,
    writing,
)

from situs.core.request import Ask
from situs.errors import CannotRecord
from situs.stores.layout import receipts_dir
from situs.stores.segments import SegmentWriter
from situs.stores.signatory import Pace
from situs.trust.keys import open_signing_key


def lines(data):
    return [json.loads(line) for path in files(data) for line in path.read_bytes().splitlines()]


def of_type(data, kind):
    return [line for line in lines(data) if line["type"] == kind]


def test_a_decision_is_in_the_file_when_it_is_acknowledged(tmp_path):
    with writing(tmp_path, Pace(group_s=60)) as writer:
        ref = decide(writer, 7)
        [line] = of_type(tmp_path, "decision")
        assert str(ref) == f"{line['chain']}:{line['seq']}"
        assert line["id"] == "req-000000007"


def test_a_closed_chain_is_signed_to_its_last_word(tmp_path):
    with writing(tmp_path) as writer:
        for number in range(20):
            serve(writer, number)
    found = report(tmp_path)
    assert found.problems == ()
    assert (found.decisions, found.outcomes, found.open_decisions) == (20, 20, 0)
    [chain] = found.chains
    assert chain.closed
    assert chain.unsigned == 0
    assert of_type(tmp_path, "close")[0]["decisions"] == 20


def test_signatures_follow_without_being_asked(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        until(lambda: of_type(tmp_path, "checkpoint"))
        until(lambda: report(tmp_path).chains[0].unsigned == 0)


class Interrupted:
    """A key of which each signature takes so long that something happens meanwhile, once."""

    def __init__(self, key, happens):
        self.id, self.public_raw, self.rotations = key.id, key.public_raw, key.rotations
        self._key, self._happens = key, happens

    def sign(self, message):
        if self._happens:
            self._happens.pop()()
        return self._key.sign(message)


def test_a_line_that_comes_while_a_root_is_signed_is_signed_next(tmp_path):
    happens: list[Callable[[], None]] = []
    key = Interrupted(open_signing_key(tmp_path / "keys"), happens)
    writer = SegmentWriter(receipts_dir(tmp_path), key, time.time, QUICK)
    writer.start()
    happens.append(lambda: writer.ended(outcome(1)))
    decide(writer, 1)
    until(lambda: report(tmp_path).outcomes == 1)
    until(lambda: report(tmp_path).chains[0].unsigned == 0)
    writer.close()


def test_an_idle_writer_writes_nothing(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        until(lambda: report(tmp_path).chains[0].unsigned == 0)
        before = writer.state().lines
        time.sleep(20 * QUICK.group_s)
        assert writer.state().lines == before


def test_segments_rotate_and_each_says_whose_it_is(tmp_path):
    several_segments(tmp_path)
    paths = files(tmp_path)
    assert len(paths) >= 3
    for path in paths:
        opening = json.loads(path.read_bytes().split(b"\n")[0])
        assert opening["type"] == "open"
        assert opening["seq"] == int(path.stem)
    assert codes(tmp_path) == set()
    assert all(b'"type":"fleet"' in path.read_bytes() for path in paths)


def test_an_old_segment_ends_once_it_is_used_again(tmp_path):
    with writing(tmp_path, Pace(group_s=0.002, segment_s=0.5)) as writer:
        serve(writer, 1)
        until(lambda: report(tmp_path).chains[0].unsigned == 0)
        before = len(files(tmp_path))
        time.sleep(0.6)
        assert len(files(tmp_path)) == before
        serve(writer, 2)
        until(lambda: len(files(tmp_path)) > before)
        serve(writer, 3)
    assert codes(tmp_path) == set()
    assert report(tmp_path).chains[0].closed


def test_a_request_digest_holds_with_its_salt_and_says_nothing_without(tmp_path):
    with writing(tmp_path) as writer:
        decide(writer, 1)
        decide(writer, 2)
    one, two = (line["request"] for line in of_type(tmp_path, "decision"))
    assert one["digest"] != two["digest"]
    salts = files(tmp_path)[0].with_suffix(".salts")
    salt = salts.read_bytes()[16 * two["salt"] :][:16]
    assert sha256(salt + BODY).hexdigest() == two["digest"]
    with salts.open("r+b") as file:
        file.write(bytes(16 * 256))
    assert codes(tmp_path) == set(), "destroying salts leaves the record whole"


def test_what_the_caller_chose_freely_is_not_kept(tmp_path):
    import asyncio

    from msgspec.structs import replace

    canary = "canary-" + os.urandom(8).hex()
    record = decided(1, canary.encode())
    ask = Ask(session=canary, data=canary)
    request = replace(record.request, model=canary + "\ud800", ask=ask)
    with writing(tmp_path) as writer:
        asyncio.run(writer.decided(replace(record, request=request)))
    kept = b"".join(p.read_bytes() for p in receipts_dir(tmp_path).rglob("*") if p.is_file())
    assert canary.encode() not in kept
    assert of_type(tmp_path, "decision")[0]["request"]["model"].startswith("sha256:")


def test_decisions_carry_the_states_of_the_fleet_they_saw(tmp_path):
    with writing(tmp_path) as writer:
        decide(writer, 1)
    [decision], [facts] = of_type(tmp_path, "decision"), of_type(tmp_path, "fleet")
    assert decision["fleet"]["digest"] == facts["digest"] == fleet().digest
    assert len(decision["fleet"]["states"]) == len(facts["deployments"]) == 8
    assert facts["deployments"][0]["model"]["capability"] == "small"


def test_nothing_is_acknowledged_while_the_directory_cannot_be_written(tmp_path):
    receipts_dir(tmp_path).write_text("in the way")
    with writing(tmp_path) as writer:
        with pytest.raises(CannotRecord):
            decide(writer, 1)
        writer.ended(outcome(1))
        assert writer.state().waiting_outcomes == 1
        receipts_dir(tmp_path).unlink()
        until(lambda: writer.state().problem is None)
        serve(writer, 2)
    assert len(of_type(tmp_path, "decision")) == 1


def test_a_directory_taken_away_stops_requests_until_a_new_chain_stands(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        old = writer.state().chain
        receipts_dir(tmp_path).rename(tmp_path / "gone")
        receipts_dir(tmp_path).write_text("in the way")
        numbers = itertools.count(2)
        until(lambda: refused(writer, next(numbers)))
        receipts_dir(tmp_path).unlink()
        until(lambda: writer.state().problem is None)
        serve(writer, next(numbers))
        assert writer.state().chain != old
    assert codes(tmp_path) == {"chain_missing"}
    (tmp_path / "gone" / old).rename(receipts_dir(tmp_path) / old)
    assert codes(tmp_path) == set()


def test_a_problem_is_told_once_when_it_begins_and_once_when_it_is_over(tmp_path, caplog):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        receipts_dir(tmp_path).rename(tmp_path / "gone")
        receipts_dir(tmp_path).write_text("in the way")
        numbers = itertools.count(2)
        until(lambda: refused(writer, next(numbers)))
        assert all(refused(writer, next(numbers)) for _ in range(20))
        [began] = caplog.messages
        assert "cannot be written" in began
        assert str(receipts_dir(tmp_path)) in began
        with pytest.raises(CannotRecord) as caught:
            decide(writer, next(numbers))
        assert "Put the receipts directory back" in caught.value.advice
        receipts_dir(tmp_path).unlink()
        until(lambda: writer.state().problem is None)
        serve(writer, next(numbers))
        assert len(caplog.messages) == 1  # for some seconds it might be the end of a short relief
        until(lambda: len(caplog.messages) > 1)
    assert "written again" in caplog.messages[1]
    assert len(caplog.messages) == 2
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_an_undisturbed_writer_tells_nothing(tmp_path, caplog):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    assert caplog.messages == []


def test_outcomes_beyond_the_bound_are_counted_as_lost_and_told_once(tmp_path, caplog):
    receipts_dir(tmp_path).write_text("in the way")
    with writing(tmp_path, Pace(group_s=60, waiting_outcomes=3)) as writer:
        for number in range(5):
            writer.ended(outcome(number))
        assert writer.state().waiting_outcomes == 3
        assert writer.state().lost_outcomes == 2
        assert ["outcomes of requests are lost" in told for told in caplog.messages] == [
            False,
            True,
        ]


def test_after_close_nothing_is_acknowledged(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    with pytest.raises(CannotRecord, match="closed"):
        decide(writer, 2)
