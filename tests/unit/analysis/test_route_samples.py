"""Samples of routes: the nearest route, and none rather than a forced one."""

from __future__ import annotations

import base64
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from situs.analysis import route_fit, route_samples
from situs.analysis.features import see
from situs.analysis.route_features import WINDOW, WINDOWS, ground, readable, unit, windows
from situs.analysis.route_fit import directions
from situs.analysis.route_match import closer, first
from situs.analysis.route_samples import index, named, needed, thinned
from situs.analysis.route_tier import Given, tier
from situs.core.heads import Ground
from situs.learning.artefacts import load, shipped

SAMPLES = {
    "billing": (
        "why is my invoice higher than last month",
        "I was charged twice, please refund one of them",
        "can I pay the bill in two parts",
        "there is a charge on my invoice that I do not know",
        "when is the bill due",
        "send me a copy of the invoice for May",
    ),
    "shipping": (
        "where is my parcel",
        "the package has not arrived yet",
        "can you deliver the parcel to another address",
        "how long does delivery take",
        "track my shipment please",
        "my parcel arrived damaged",
    ),
}
SHIPPED = load(shipped("routes"))
GROUND = ground(SHIPPED.arrays, SHIPPED.card.settings)
OTHERS = (
    "write a poem about the sea in autumn",
    "def f(x): return x + 1",
    "what is the capital of France",
    "play some jazz in the kitchen",
    "tell me a story about dragons",
    "translate good morning into Japanese",
    "how many legs does a spider have",
    "turn the lights off",
)
INDEX = index(SAMPLES, GROUND)


def encode(texts):
    """A stand-in for an encoder: shipping is one way, billing another, the rest a third."""
    words = ({"parcel", "package", "crate", "shipment", "deliver"}, {"invoice", "bill", "charge"})
    found = np.zeros((len(texts), 4), np.float32)
    for row, text in enumerate(texts):
        for place, some in enumerate(words):
            found[row, place] = len(some & set(text.lower().split()))
        found[row, 2:] = 0.3, len(text) % 7 / 10
    return found / np.linalg.norm(found, axis=1, keepdims=True)


PLAIN = Ground(ordinary=OTHERS)
NEEDED = needed(SAMPLES, PLAIN)
DEEP = index(SAMPLES, PLAIN, dict(zip(NEEDED, encode(NEEDED), strict=True)))


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("My invoice is higher than it was, why?", "billing"),
        ("please refund the charge on the bill", "billing"),
        ("has my parcel been delivered?", "shipping"),
        ("WHERE IS THE PACKAGE", "shipping"),
        *((sample, route) for route, samples in SAMPLES.items() for sample in samples),
    ],
)
def test_a_text_like_the_samples_is_of_the_route(text, route):
    match = first(INDEX, text).match
    assert match.name == match.nearest == route
    assert 0.5 <= match.score <= 1


@pytest.mark.parametrize("text", [*OTHERS, "什么是爱", "?!", "", " \n", "qq", "compose an opera"])
def test_a_text_like_none_of_them_is_of_no_route(text):
    match = first(INDEX, text).match
    assert match.name is None
    assert match.nearest in SAMPLES
    assert match.score < 0.5


def test_typos_do_not_lose_the_route():
    assert first(INDEX, "wher is my parcl").match.name == "shipping"


@pytest.mark.parametrize("name", ["card_lost", "card-lost", "cardLost", "Card lost", "card.lost"])
def test_a_route_is_named_in_words(name):
    assert named(name) == "card lost"


CARDS = {
    "card_lost": ("I cannot find it anywhere", "it was in my wallet and is gone"),
    "lights_on": ("it is dark in here", "brighten the kitchen"),
    "music_play": ("put on some jazz", "I want to hear a tune"),
    "weather_query": ("will it rain tomorrow", "do I need an umbrella"),
    "alarm_set": ("wake me at seven", "get me up early"),
}


def test_a_name_that_says_what_the_samples_say_is_a_sample():
    numbered = {f"r{place}": texts for place, texts in enumerate(CARDS.values())}
    text = "set the alarm"
    told, plain = (first(index(one, GROUND), text).match for one in (CARDS, numbered))
    assert told.nearest == "alarm_set"
    assert told.score > plain.score


def test_a_name_that_says_what_the_samples_of_others_say_changes_nothing():
    swapped = {"shipping": SAMPLES["billing"], "billing": SAMPLES["shipping"]}
    nameless = {"?": SAMPLES["billing"], "!": SAMPLES["shipping"]}
    found, plain = (index(one, GROUND).fast for one in (swapped, nameless))
    assert np.array_equal(found.sides.weights, plain.sides.weights)
    assert np.array_equal(found.limits, plain.limits)


def test_one_route_with_one_sample_is_enough_and_rejects_the_rest():
    alone = index({"billing": ("why is my invoice so high",)}, GROUND)
    assert first(alone, "why is my invoice so high").match.name == "billing"
    assert first(alone, "describe a mountain lake").match.name is None


def test_without_ordinary_texts_there_are_limits_too():
    bare = index(SAMPLES)
    assert first(bare, "where is my parcel").match.name == "shipping"
    assert first(bare, "compose an opera").match.name is None


def test_the_fast_tier_names_texts_only_where_a_deep_one_is():
    assert first(INDEX, "my crate is late").unsure == ()
    assert first(DEEP, "my crate is late", always=True).unsure == ("my crate is late",)
    assert first(DEEP, "?!", always=True).unsure == ()


def test_the_deep_tier_knows_what_is_spelt_otherwise():
    text = "where did the crate go"
    match = closer(DEEP, (text,), encode((text,)))
    assert (match.name, match.tier) == ("shipping", "deep")


def test_what_is_given_as_features_is_not_computed_otherwise():
    text = "has my parcel been delivered?"
    assert first(INDEX, text, see(text)) == first(INDEX, text)


@pytest.mark.parametrize("head", [True, False])
def test_a_question_is_found_at_the_head_and_at_the_tail_of_a_long_text(head):
    filler = "The meadow was quiet and the river ran slowly under old stone bridges. " * 20
    question = "Where is my parcel? "
    text = question + filler if head else filler + question
    assert first(INDEX, text).match.name == "shipping"
    assert first(INDEX, filler).match.name is None


@given(st.text(max_size=9 * WINDOW))
def test_windows_of_any_text_are_few_and_short_and_of_the_text(text):
    found = windows(text)
    assert 1 <= len(found) <= WINDOWS
    assert all(len(window) <= WINDOW + WINDOW // 2 for window in found)
    assert all(window in text for window in found)


def test_windows_are_the_first_and_last_sentence_the_head_and_the_tail():
    filler = " ".join(f"word{number}" for number in range(200))
    text = f"Hello!\nWhat does this say? {filler}.\nPlease be quick with it."
    found = windows(text)
    assert found[:2] == ["What does this say?", "Please be quick with it."]
    assert text.startswith(found[2])
    assert text.endswith(found[3])


@settings(deadline=None)
@given(st.text())
def test_any_text_has_an_answer_and_twice_the_same(text):
    found = first(INDEX, text)
    assert found == first(INDEX, text)
    assert found.match.nearest in SAMPLES
    assert 0 <= found.match.score <= 1


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.text(), st.lists(st.text(), min_size=1, max_size=6), min_size=1, max_size=6)
)
def test_any_samples_make_an_index(samples):
    found = index(samples, Ground(ordinary=OTHERS[:3]))
    for texts in samples.values():
        for text in texts:
            assert first(found, text).match.nearest in samples


def test_the_same_samples_give_the_same_index():
    again = index(SAMPLES, GROUND)
    assert np.array_equal(again.fast.sides.weights, INDEX.fast.sides.weights)
    assert np.array_equal(again.fast.limits, INDEX.fast.limits)


def test_samples_are_fitted_on_once_each_and_in_bounds():
    many = {name: [f"{name} {number}" for number in range(9000)] for name in ("a", "b", "c")}
    kept = thinned({**many, "d": ["x", "x", "y"]})
    assert kept["d"] == ["x", "y"]
    assert sum(map(len, kept.values())) <= route_samples.MOST
    assert {len(kept[name]) for name in many} == {route_samples.MOST // 4}


CHANCE = random.Random(0)
JUNK = [
    "a" * 20,
    "a" * 400,
    "😀" * 400,
    "的" * 300,
    "ab" * 300,
    "x " * 300,
    "help " * 100,
    "." * 400,
    " \n\t" * 200,
    "8" * 500,
    "4711 0815 12.50 2026-11-21",
    base64.b64encode(CHANCE.randbytes(400)).decode(),
    base64.encodebytes(CHANCE.randbytes(4000)).decode(),
    CHANCE.randbytes(300).hex(),
    CHANCE.randbytes(600).decode("latin-1"),
    CHANCE.randbytes(600).decode("utf-8", "replace"),
    CHANCE.randbytes(600).decode("utf-8", "surrogateescape"),
]


@pytest.mark.parametrize("text", JUNK)
def test_what_nobody_can_read_is_of_no_route_and_never_encoded(text):
    for found in (first(one, text, always=True) for one in (INDEX, DEEP)):
        assert (found.match.name, found.match.score, found.unsure) == (None, 0.0, ())
        assert found.match.nearest in SAMPLES


@pytest.mark.parametrize(
    "text",
    [
        "refund",
        "order 4711, 0815 and 4712",
        "what is 12345678901234567890 + 98765432109876543210?",
        "summarise https://example.org/a/very/long/path/to/some/page?with=parameters&and=more",
        "decode this: " + base64.b64encode(CHANCE.randbytes(100)).decode(),
        "I like r n b",
        "什么是爱",
        "मेरो पार्सल कहाँ छ",
        "где моя посылка",
        "พัสดุของฉันอยู่ที่ไหน",
        "no no no, not that one",
        "def f(x): return x + 1",
    ],
)
def test_what_can_be_read_is_compared(text):
    assert readable(text)


def test_junk_around_a_request_does_not_hide_it():
    junk = base64.encodebytes(CHANCE.randbytes(3000)).decode()
    assert first(INDEX, f"Where is my parcel?\n{junk}").match.name == "shipping"


def spots(apart: float, seed: int = 0):
    """Routes in pairs: the two of a pair are `apart` from each other, the pairs far away."""
    chance = np.random.default_rng(seed)
    routes = np.repeat(np.arange(16), 10)
    rows = chance.normal(0, 0.15, (160, 24)).astype(np.float32)
    rows[np.arange(160), routes // 2] += 1
    rows[np.arange(160), 8 + routes] += apart
    rows = unit(rows)
    none = unit(chance.normal(0, 1, (40, 24)).astype(np.float32))
    return Given(rows, rows[::10] * 0, none, 24, 1e-4, telling=True), routes


def test_limits_are_lower_where_routes_are_like_each_other():
    """What is of no route could not be told there anyway."""
    near, far = (tier(*spots(apart)) for apart in (0.4, 3.0))
    plain = [tier(replace(given, telling=False), of) for given, of in (spots(0.4), spots(3.0))]
    assert near.offset - near.limits.mean() > plain[0].offset - plain[0].limits.mean()
    assert np.array_equal(far.limits, plain[1].limits)


def test_directions_of_many_samples_are_those_of_all_of_their_space():
    chance = np.random.default_rng(0)
    rows = (chance.normal(0, 1, (1300, 1300)) * 0.99 ** np.arange(1300)).astype(np.float32)
    basis = directions(rows)
    assert basis.shape == (1300, route_fit.DIRECTIONS)
    assert np.allclose(basis.T @ basis, np.eye(route_fit.DIRECTIONS), atol=1e-3)
    assert ((rows @ basis) ** 2).sum() > 0.999 * (rows**2).sum()
