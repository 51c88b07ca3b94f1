"""What is believed of servers' caches."""

import random
from typing import cast

import pytest
from msgspec.structs import replace
from tests import make

from situs.core.fleet import CacheFacts, PrefixCache
from situs.core.record import End, Measured, Usage
from situs.core.request import Principal, Request, Wire
from situs.fleet import prefixes
from situs.fleet.board import Board
from situs.fleet.caches import Latest
from situs.fleet.prefixes import Prefixes
from situs.placement.prefix import FADING_S, blocks_of

BEGINNINGS = [f"{k:02} of the rules: " + chr(65 + k) * 2000 for k in range(40)]

LEARNED = PrefixCache()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def asks(text: str, id_: str = "", tenant: str = "default") -> Request:
    document = {"messages": [{"role": "user", "content": text}]}
    id_ = id_ or str(random.random())
    return Request(id_, Wire.OPENAI_CHAT, "auto", document, (), 0, principal=Principal(tenant))


def fleet(*names: str, **facts):
    return [make.deployment(name, **facts) for name in names]


def index(*names: str, cache: PrefixCache = LEARNED, clock: Clock | None = None) -> Prefixes:
    return Prefixes([replace(one, cache=cache) for one in fleet(*names)], clock or Clock())


def told(request: Request, prompt: int, cached: int) -> Measured:
    return Measured(None, 1.0, 1.0, prompt, Usage(prompt, 5, cached))


def test_what_was_sent_somewhere_is_warm_there_only():
    own = index("a", "b")
    own.sent("a", asks(BEGINNINGS[0]))
    assert list(own.warm(asks(BEGINNINGS[0] + " And?"))) == ["a"]
    assert own.warm(asks(BEGINNINGS[1])) == {}
    assert own.warm(asks(BEGINNINGS[0], tenant="other")) == {}


def test_each_has_as_much_as_it_got():
    own = index("a", "b")
    own.sent("a", asks(BEGINNINGS[0] + "x" * 2000))
    own.sent("b", asks(BEGINNINGS[0] + "y" * 2000))
    warm = own.warm(asks(BEGINNINGS[0] + "x" * 2000 + "z"))
    assert 480 <= warm["b"] <= 540
    assert 950 <= warm["a"] <= 1060


def test_a_store_that_is_full_forgets_what_was_used_longest_ago():
    own = index("a", cache=PrefixCache(tokens=1100))
    for text in (*BEGINNINGS[:2], BEGINNINGS[0], BEGINNINGS[2]):
        own.sent("a", asks(text))
    warm = [own.warm(asks(text)).get("a", 0) for text in BEGINNINGS[:3]]
    assert warm[1] < warm[0]
    assert warm[2] >= 480


def served(own: Prefixes, text: str) -> None:
    request = asks(text)
    own.sent("a", request)
    own.ended("a", request.id, End.COMPLETE, told(request, 500, 0))


def test_a_slot_goes_on_with_what_is_alike_and_loses_the_rest():
    own = index("a", cache=PrefixCache(slots=2))
    for text in (BEGINNINGS[0] + "x" * 2000, BEGINNINGS[1], BEGINNINGS[0] + "y" * 2000):
        served(own, text)
    assert own.warm(asks(BEGINNINGS[1]))["a"] >= 400
    assert own.warm(asks(BEGINNINGS[0] + "x" * 2000))["a"] < 600
    served(own, BEGINNINGS[2])
    assert own.warm(asks(BEGINNINGS[1])) == {}


def test_what_is_alike_to_a_busy_slot_takes_another():
    own = index("a", cache=PrefixCache(slots=2))
    served(own, BEGINNINGS[1])
    own.sent("a", asks(BEGINNINGS[0]))
    own.sent("a", asks(BEGINNINGS[0]))
    assert own.warm(asks(BEGINNINGS[1])) == {}
    assert own.warm(asks(BEGINNINGS[0]))["a"] >= 400


@pytest.mark.parametrize("end", [End.CLIENT_GONE, End.OUTRUN, End.CUT])
def test_a_slot_is_free_again_however_its_request_ended(end):
    own = index("a", cache=PrefixCache(slots=2))
    served(own, BEGINNINGS[1])
    gone = asks(BEGINNINGS[0])
    own.sent("a", gone)
    own.ended("a", gone.id, end, None)
    own.sent("a", asks(BEGINNINGS[0]))
    assert own.warm(asks(BEGINNINGS[1]))["a"] >= 400


def test_what_it_had_to_read_counts_and_fades():
    clock = Clock()
    own = index("a", "b", clock=clock)
    own.sent("a", asks(BEGINNINGS[0]))
    first = own.read()
    assert list(first) == ["a"]
    assert 480 <= first["a"] <= 560
    own.sent("a", asks(BEGINNINGS[0]))
    assert own.read()["a"] < first["a"] + 60
    clock.now += 10 * FADING_S
    assert own.read() == {}


def test_who_cannot_be_reached_has_nothing_any_more():
    own = index("a", "b")
    request = asks(BEGINNINGS[0])
    for name in "ab":
        own.sent(name, request)
    own.ended("a", request.id, End.UNREACHABLE, None)
    assert list(own.warm(asks(BEGINNINGS[0]))) == ["b"]


def test_tokens_are_counted_as_the_server_counts_them():
    own = index("a")
    for _ in range(60):
        request = asks(BEGINNINGS[0])
        own.sent("a", request)
        own.ended("a", request.id, End.COMPLETE, told(request, 1000, 990))
    assert 930 <= own.warm(asks(BEGINNINGS[0]))["a"] <= 1000


def test_less_is_believed_of_a_server_that_reports_less():
    own = index("a")
    for round_ in range(60):
        for text in BEGINNINGS[:20]:
            request = asks(text)
            own.sent("a", request)
            own.ended("a", request.id, End.COMPLETE, told(request, 530, 1 if round_ else 0))
    assert own.warm(asks(BEGINNINGS[19]))["a"] > 400
    assert own.warm(asks(BEGINNINGS[0])).get("a", 0) < 100


def test_who_reports_nothing_of_a_cache_is_believed_to_have_one():
    own = index("a")
    for text in BEGINNINGS[:20] * 5:
        request = asks(text)
        own.sent("a", request)
        own.ended("a", request.id, End.COMPLETE, told(request, 530, 0))
    assert all(own.warm(asks(text))["a"] > 400 for text in BEGINNINGS[:20])


def test_a_reload_keeps_what_stays_and_drops_what_is_another():
    own = Prefixes(fleet("a", "b", "c"), Clock())
    for name in "abc":
        own.sent(name, asks(BEGINNINGS[0]))
    own.load([*fleet("d", "a"), *fleet("b", model="another")])
    assert list(own.warm(asks(BEGINNINGS[0]))) == ["a"]
    own.sent("d", asks(BEGINNINGS[0]))
    assert sorted(own.warm(asks(BEGINNINGS[0]))) == ["a", "d"]


def test_it_stays_bounded():
    own = Prefixes(fleet("a", "b"), Clock())
    for k in range(4000):
        own.sent("ab"[k % 2], asks(f"{k} " * 1500))
        own.sent("gone", asks("never seen"))
    assert len(own._where) <= prefixes.MOST
    kept = [cast("Latest", place.kept)._blocks for place in own._places.values()]
    assert sum(map(len, kept)) <= prefixes.MOST
    assert set(own._where) == {block for blocks in kept for block in blocks}
    assert len(own._waiting) <= 1024


def test_workers_hear_of_each_other():
    fd = Board.make(3)
    one, other, third = (
        Prefixes(fleet("a", "b"), Clock(), Board(fd, row).hearsay) for row in range(3)
    )
    one.sent("a", asks(BEGINNINGS[0]))
    third.sent("b", asks(BEGINNINGS[1]))
    assert list(other.warm(asks(BEGINNINGS[0]))) == ["a"]
    assert list(other.warm(asks(BEGINNINGS[1]))) == ["b"]
    assert other.read().keys() == {"a", "b"}
    assert list(one.warm(asks(BEGINNINGS[1]))) == ["b"]


def test_who_listens_late_hears_the_latest():
    fd = Board.make(2)
    one, other = (Prefixes(fleet("a"), Clock(), Board(fd, row).hearsay) for row in range(2))
    for k in range(3000):
        one.sent("a", asks(f"{k:04} {'x' * 900}"))
    assert other.warm(asks(f"2999 {'x' * 900}"))["a"] > 200
    assert other.warm(asks(f"0000 {'x' * 900}")) == {}
    one.sent("a", asks(BEGINNINGS[3]))
    assert other.warm(asks(BEGINNINGS[3]))["a"] > 400


def test_a_worker_in_the_place_of_a_dead_one_goes_on_where_that_stopped():
    fd = Board.make(2)
    listens = Prefixes(fleet("a"), Clock(), Board(fd, 1).hearsay)
    for text in BEGINNINGS[:2]:
        Prefixes(fleet("a"), Clock(), Board(fd, 0).hearsay).sent("a", asks(text))
    assert [bool(listens.warm(asks(text))) for text in BEGINNINGS[:2]] == [True, True]


def says(own: Prefixes, start: int = 0, **cache: int) -> None:
    own.said({"a": CacheFacts(PrefixCache(**cache), start)})


def test_slots_are_as_many_as_the_server_says():
    own = index("a")
    says(own, slots=2)
    for text in BEGINNINGS[:3]:
        served(own, text)
    assert [bool(own.warm(asks(text))) for text in BEGINNINGS[:3]] == [False, True, True]


def test_a_store_is_as_large_as_the_server_says_and_no_larger_whatever_it_reports():
    own = index("a")
    says(own, tokens=1100)
    for _ in range(60):
        for text in BEGINNINGS[:3]:
            request = asks(text)
            own.sent("a", request)
            own.ended("a", request.id, End.COMPLETE, told(request, 500, 490))
    assert sum(own.warm(asks(text)).get("a", 0) for text in BEGINNINGS[:3]) <= 1100


def test_what_is_configured_goes_before_what_a_server_says():
    own = index("a", cache=PrefixCache(slots=1))
    says(own, slots=8)
    for text in BEGINNINGS[:2]:
        served(own, text)
    assert own.warm(asks(BEGINNINGS[0])) == {}


def test_a_server_that_began_anew_has_nothing_any_more():
    own = index("a", "b")
    says(own, slots=2)
    for name in "ab":
        own.sent(name, asks(BEGINNINGS[0]))
    says(own, slots=2)
    assert sorted(own.warm(asks(BEGINNINGS[0]))) == ["a", "b"]
    says(own, slots=2, start=1)
    assert list(own.warm(asks(BEGINNINGS[0]))) == ["b"]


def test_a_server_that_keeps_nothing_is_believed_to_have_nothing():
    own = index("a")
    says(own, tokens=0)
    own.sent("a", asks(BEGINNINGS[0]))
    assert own.warm(asks(BEGINNINGS[0])) == {}


def test_what_a_server_says_holds_for_a_fleet_that_comes_later():
    own = index("b")
    says(own, slots=1)
    own.load(fleet("a"))
    for text in BEGINNINGS[:2]:
        served(own, text)
    assert own.warm(asks(BEGINNINGS[0])) == {}


def test_who_reports_more_than_its_slots_hold_is_believed_to_keep_prompts_beside_them():
    own = index("a")
    says(own, slots=2)
    for _ in range(20):
        for text in BEGINNINGS[:6]:
            request = asks(text)
            own.sent("a", request)
            own.ended("a", request.id, End.COMPLETE, told(request, 500, 490))
    assert all(own.warm(asks(text)) for text in BEGINNINGS[:6])
    for _ in range(20):
        for text in BEGINNINGS[:6]:
            request = asks(text)
            own.sent("a", request)
            own.ended("a", request.id, End.COMPLETE, told(request, 500, 0))
    assert sum(bool(own.warm(asks(text))) for text in BEGINNINGS[:6]) < 6


def test_prompts_in_slots_stay_bounded_however_many_slots_there_are():
    own = index("a", cache=PrefixCache(slots=10**9))
    for k in range(900):
        request = asks(f"{k} " * 30_000)
        own.sent("a", request)
        own.ended("a", request.id, End.COMPLETE, None)
    assert len(own._where) <= prefixes.MOST + 320


def test_blocks_that_were_made_aside_are_those_that_count():
    own = index("a")
    request = asks(BEGINNINGS[0])
    own.warm(request, blocks_of(asks(BEGINNINGS[1])))
    own.sent("a", request)
    assert list(own.warm(asks(BEGINNINGS[1]))) == ["a"]
    assert own.warm(asks(BEGINNINGS[0])) == {}


def test_what_was_read_long_ago_counts_nothing_and_what_is_read_then_does():
    clock = Clock()
    own = index("a", "b", clock=clock)
    own.sent("a", asks(BEGINNINGS[0]))
    clock.now += 1000 * FADING_S
    own.sent("b", asks(BEGINNINGS[0]))
    assert list(own.read()) == ["b"]
    assert 480 <= own.read()["b"] <= 560
