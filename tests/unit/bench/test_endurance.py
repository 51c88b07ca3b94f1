import json
from collections import Counter

import pytest
from bench.endurance import Sample, growth
from bench.endurance_books import (
    Books,
    Decided,
    Ended,
    Told,
    compare,
    number_of,
    read_receipts,
    read_told,
)
from bench.endurance_load import LEAST, MOST, Maker, traceparent
from bench.endurance_upstream import MARK
from bench.reload import mixed, unserved
from bench.soak import judged
from bench.workers import summary
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

SOUND = Books(
    arrived=Counter({1: 1, 2: 2}),
    told=[
        Told(1, "chat-ok", "whole", 200, "a", "c:1"),
        Told(2, "chat-fail", "whole", 503, "b", "c:2"),
        Told(3, "bad", "whole", 400, "-", "-"),
    ],
    decided=[Decided("a", 1, "c:1", "p", "f"), Decided("b", 2, "c:2", "p", "f")],
    ended=[Ended("a", 200, ("complete",)), Ended("b", 503, ("server_error", "server_error"))],
    ledger={"a", "b"},
    indexed={"a", "b"},
)


def test_books_that_agree_have_no_findings():
    findings = compare(SOUND)
    assert (findings.wrong, findings.open) == ({}, 0)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"arrived": Counter({1: 1, 2: 2, 9: 1})}, {"arrived_undecided": 1}),
        ({"arrived": Counter({1: 2})}, {"arrived_more_than_attempted": 1}),
        ({"decided": [*SOUND.decided, SOUND.decided[0]]}, {"decided_twice": 2}),
        ({"ended": [*SOUND.ended, SOUND.ended[0]]}, {"ended_twice": 1}),
        ({"ledger": {"a"}}, {"not_in_ledger": 1}),
        ({"ledger": {"a", "b", "x"}}, {"only_in_ledger": 1}),
        ({"indexed": {"a"}}, {"not_in_index": 1}),
        ({"indexed": {"a", "b", "x"}}, {"only_in_index": 1}),
        ({"told": [Told(1, "chat", "whole", 200, "a", "c:7")]}, {"answered_unrecorded": 1}),
        ({"told": [Told(1, "chat", "whole", 200, "-", "-")]}, {"answered_unrecorded": 1}),
        ({"told": [Told(2, "chat", "whole", 200, "a", "c:1")]}, {"answered_unrecorded": 1}),
    ],
)
def test_each_kind_of_loss_is_found(changes, wrong):
    assert compare(replace(SOUND, **changes)).wrong == wrong


def test_a_decision_without_an_outcome_is_open_and_an_outcome_without_a_decision_wrong():
    cut = compare(replace(SOUND, ended=SOUND.ended[:1], ledger={"a"}))
    assert (cut.wrong, cut.open) == ({}, 1)
    assert "ended_undecided" in compare(replace(SOUND, decided=SOUND.decided[:1])).wrong


def test_a_request_that_never_arrived_is_not_missed_upstream():
    unreachable = [SOUND.ended[0], Ended("b", 503, ("unreachable",))]
    assert compare(replace(SOUND, arrived=Counter({1: 1}), ended=unreachable)).wrong == {}


def test_torn_lines_and_chains_in_the_making_are_not_read(tmp_path):
    for folder in ("c", ".new"):
        (tmp_path / folder).mkdir()
    outcome = b'{"v":1,"type":"outcome","chain":"c","seq":1,"prev":"","id":"a","status":200,'
    outcome += b'"attempts":[{"end":"complete"}]}\n'
    (tmp_path / "c" / "000000000000.jsonl").write_bytes(outcome + outcome[:40])
    (tmp_path / ".new" / "000000000000.jsonl").write_bytes(outcome)
    assert read_receipts(tmp_path) == ([], [Ended("a", 200, ("complete",))])


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 32))
def test_the_number_of_a_request_is_in_its_trace(number, seed):
    assert number_of(traceparent(seed, number)) == number
    assert number_of(None) is None


@pytest.fixture(scope="module")
def calls():
    maker = Maker("127.0.0.1:1", seed=5)
    return [maker.call(number) for number in range(1500)]


def test_a_request_follows_from_its_number_and_the_seed(calls):
    again = Maker("127.0.0.1:1", seed=5)
    assert [again.call(n) for n in (7, 3)] == [calls[7], calls[3]]
    assert Maker("127.0.0.1:1", seed=6).call(7) != calls[7]


def test_requests_are_of_every_kind_and_size(calls):
    kinds = Counter(call.kind.rpartition("-")[0] for call in calls)
    assert set(kinds) == {
        *("", "chat", "chat-stream", "completions", "completions-stream", "embeddings"),
    }
    streams = sum("stream" in call.kind for call in calls)
    assert 0.28 < streams / len(calls) < 0.40
    assert 0.03 < sum(call.leaves != "" for call in calls) / len(calls) < 0.07
    assert {call.leaves for call in calls} == {"", "sending", "waiting", "reading"}
    fates = {call.kind.rpartition("-")[2] for call in calls}
    assert fates == {"ok", "slow", "fail", "cut", "busy", "bad"}
    sizes = [len(call.data) for call in calls if call.kind != "bad"]
    assert LEAST < min(sizes) < 1000
    assert 50_000 < max(sizes) < MOST + 1000


def test_requests_are_whole_and_carry_their_number(calls):
    for call in calls:
        head, _, body = call.data.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head
        found = MARK.search(body)
        assert found is not None
        assert int(found[1]) == call.number
        assert b"-%032x-" % ((5 << 64) + call.number) in head
        if call.kind != "bad":
            assert json.loads(body)["model"] == "auto"


def test_what_a_caller_wrote_down_is_read():
    line = "12 chat-ok whole 200 a-b c:3"
    assert read_told(line) == Told(12, "chat-ok", "whole", 200, "a-b", "c:3")


def samples(values, **more):
    flat = {"pss": 1, "sockets": 5, "files": 9, "threads": 3, **more}
    return [Sample(rss=value, **flat) for value in values]


def test_growth_is_between_the_warm_up_and_the_end():
    values = [*range(20), *[100] * 10, *[500] * 60, *[110] * 10]
    assert growth(samples(values), "rss", 0.2) == (100, 500, 110)
    assert growth(samples([7]), "rss", 0.2) == (7, 7, 7)


@pytest.mark.parametrize(
    ("series", "wrong"),
    [
        (samples([1000] * 50), []),
        (samples([1] * 9 + [1000] * 21 + [1049] * 20), []),
        (samples([1000] * 30 + [1060] * 20), ["parent: resident memory +6.0 %"]),
        (samples([1000] * 30 + [900] * 20), ["parent: resident memory -10.0 %"]),
        (
            samples([1000] * 30) + samples([1000] * 20, files=20),
            ["parent: open files 9 -> 20"],
        ),
        (samples([1000] * 30) + samples([1000], sockets=900), ["parent: 900 sockets"]),
    ],
)
def test_what_grows_is_not_sound(series, wrong):
    assert judged({"parent": series}, callers=8, requests=250_000)[1] == wrong


def test_the_memory_of_a_short_run_is_told_and_not_judged():
    row, wrong = judged({"parent": samples([1000] * 30 + [2000] * 20)}, callers=8, requests=5000)
    assert wrong == []
    assert row["parent"]["rss_change_percent"] == 100


def decided(policy, fleet):
    return Decided("x", None, "c:1", policy, fleet)


@pytest.mark.parametrize(
    ("pairs", "sound"),
    [
        (["af", "bg", "af"], True),
        (["af"], False),
        (["af", "bg", "ag"], False),
        (["af", "bf"], False),
        (["af", "bg", "ch"], False),
    ],
)
def test_decisions_on_halves_of_two_generations_are_found(pairs, sound):
    assert (mixed([decided(*pair) for pair in pairs]) == []) is sound


def test_requests_that_are_not_answered_well_are_found():
    one, well = decided("p", "f"), Ended("x", 200, ())
    assert unserved([one], [well], 1) == []
    assert unserved([one], [well], 2) != []
    assert unserved([one], [], 1) != []
    assert unserved([one], [Ended("x", 502, ())], 1) != []


def one_round(rps, worker):
    others = {f"{part}_cpu_us": 50.0 for part in ("parent", "upstream", "callers")}
    return {"rps": rps, "worker_cpu_us": worker, **others}


def test_workers_are_compared_round_by_round():
    rounds = {
        1: [one_round(100.0, 500.0), one_round(50.0, 500.0)],
        2: [one_round(180.0, 550.0), one_round(90.0, 550.0)],
    }
    row = summary(rounds)
    assert (row["ratio"], row["cpu_ratio"]) == (1.8, 1.1)
    assert row["rps_1_range"] == [50.0, 100.0]
