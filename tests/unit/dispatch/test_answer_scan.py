"""What an answer holds is found however it arrives, and nothing of it goes on that must not."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import situs
from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan, warm
from situs.analysis.sensitivity.lists import rows
from situs.analysis.sensitivity.table import extended
from situs.core.decision import Obligation
from situs.core.heads import Heads
from situs.core.label import Finding, Label
from situs.core.snapshot import Labels
from situs.dispatch.answer_scan import HELD, LONGEST, AnswerScan, sought
from situs.errors import AnswerStopped

CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
PROSE = "The committee met on Tuesday and talked about the garden, the roof and the weather. "
LEAKS = Path(situs.__file__).parent / "studies" / "leaks.jsonl"
NO_NAMES = Heads(name_kinds=())
LABELS = Labels(DEFAULT_FLOORS)


def owes(action="redact", *kinds):
    return Obligation("answer_scan", findings=kinds, action=action)


def scanner(*owed, labels=LABELS, own=(), as_json=False, heads=NO_NAMES):
    looked = sought(owed or (owes(),), labels, "acme", heads, own)
    assert looked is not None
    return AnswerScan(looked, json=as_json)


def through(one, text, size=None):
    """All that goes on, of a text in pieces of `size`."""
    pieces = [text] if size is None else [text[i : i + size] for i in range(0, len(text), size)]
    return "".join([*map(one.feed, pieces), one.close()])


def key_block(lines=12):
    body = base64.b64encode(bytes(range(48)) * lines).decode()
    wrapped = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    kind = "PRIVATE" + " KEY-----"
    return f"-----BEGIN {kind}\n{wrapped}\n-----END {kind}"


def jwt(size=900):
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "x" * size}).encode()).decode().rstrip("=")
    return f"{head}.{claims}.{'Qm9' * 14}"


@pytest.fixture(autouse=True, scope="module")
def warmed():
    warm()


@pytest.mark.parametrize("size", [1, 3, 7, 64, 500, None])
@pytest.mark.parametrize("place", [0, 1, 190, 1000])
def test_what_is_found_goes_out_of_the_text_and_all_else_goes_on(size, place):
    before, behind = (PROSE * 30)[:place], PROSE * 8
    text = f"{before} {CARD} {behind}"
    one = scanner()
    assert through(one, text, size) == f"{before} [CARD] {behind}"
    assert one.applied == {"answer_scan": 1}


WORDS = st.sampled_from([*PROSE.split(), "12", "2024", "a-b", "naïve", "東京", "\n", "x=1;", "🙂"])
TEXTS = st.lists(WORDS, max_size=120).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([CARD, IBAN]), st.data())
def test_it_does_not_matter_where_a_text_is_cut(before, behind, secret, data):
    text = f"{before} x {secret} x {behind}"
    sizes = data.draw(st.lists(st.integers(1, 300), max_size=30))
    one, place, out = scanner(), 0, []
    for size in sizes:
        out.append(one.feed(text[place : place + size]))
        place += size
    out += [one.feed(text[place:]), one.close()]
    kind = "CARD" if secret is CARD else "IBAN"
    assert "".join(out) == text.replace(secret, f"[{kind}]")


def corpus():
    """Texts of the corpus of leaks, eight at a time."""
    rows = map(json.loads, LEAKS.read_text().splitlines())
    texts = [row["text"] for row in rows if "text" in row]
    return ["\n\n".join(texts[i : i + 8]) for i in range(0, len(texts), 40)]


def test_what_is_found_in_pieces_is_what_is_found_in_the_whole():
    pick, kinds, count = random.Random(5), tuple(DEFAULT_FLOORS), 0
    for text in corpus():
        expected, place = [], 0
        for one in scan([text], DEFAULT_FLOORS).findings:
            expected += [text[place : one.start], f"[{one.kind.upper()}]"]
            place = one.end
        one, out, begin = scanner(owes("redact", *kinds)), [], 0
        while begin < len(text):
            size = pick.choice((1, 3, 4, 5, 9, 40, 200))
            out.append(one.feed(text[begin : begin + size]))
            begin += size
        assert "".join([*out, one.close()]) == "".join(expected) + text[place:]
        count += one.applied["answer_scan"]
    assert count > 50


def test_no_more_is_held_back_than_it_takes():
    one, most, fed, gone = scanner(), 0, 0, 0
    text = PROSE * 40
    for i in range(0, len(text), 4):
        fed += 4
        gone += len(one.feed(text[i : i + 4]))
        most = max(most, fed - gone)
    assert most <= 2 * HELD + 16  # and the word that begins there


def test_a_run_is_held_until_it_is_whole_and_no_longer_than_it_may_be():
    one, run = scanner(), "Zz9" * 3000
    held = len(run) - len(one.feed(run))
    assert 0 < held <= LONGEST + HELD + 4
    assert len(one.close()) == held


@pytest.mark.parametrize("size", [5, 61, None])
@pytest.mark.parametrize(("secret", "kind"), [(jwt(), "CREDENTIAL"), (key_block(), "PRIVATE_KEY")])
def test_what_is_longer_than_what_is_held_is_found_whole(secret, kind, size):
    text = f"{PROSE}\n{secret}\n{PROSE * 5}"
    assert through(scanner(), text, size) == text.replace(secret, f"[{kind}]")


@pytest.mark.parametrize("size", [5, 61, None])
def test_a_very_long_key_goes_to_its_last_line(size):
    text = f"{PROSE}\n{key_block(120)}\n{PROSE * 5}"
    assert through(scanner(), text, size) == f"{PROSE}\n[PRIVATE_KEY]\n{PROSE * 5}"


def test_a_key_without_an_end_takes_the_rest_along():
    begun = key_block(120)[:-40]
    assert through(scanner(), f"Here: {begun}", 50) == "Here: [PRIVATE_KEY]"


@pytest.mark.parametrize("wrap", [None, 76])
@pytest.mark.parametrize("ahead", [0, 1, 2, 3000, 9001])
def test_what_is_encoded_is_found_wherever_it_stands(wrap, ahead):
    encoded = base64.b64encode(b"word " * ahead + f"My card is {CARD}.".encode()).decode()
    lines = (
        [encoded] if wrap is None else [encoded[i : i + wrap] for i in range(0, len(encoded), wrap)]
    )
    text = f"{PROSE}\n" + "\n".join(lines) + f"\n{PROSE * 4}"
    for size in (64, 333, None):
        one = scanner()
        out = through(one, text, size)
        assert one.applied["answer_scan"] > 0
        assert base64.b64encode(CARD.encode()).decode()[:12] not in out
        assert encoded[-20:] not in out


def test_what_is_to_stop_an_answer_stops_it_before_it_goes_on():
    one = scanner(owes("stop"))
    out: list[str] = []
    with pytest.raises(AnswerStopped, match="card") as stopped:
        out.extend(one.feed(char) for char in f"{PROSE * 5}{CARD} {PROSE * 5}")
    assert "".join(out) == (PROSE * 5)[: len("".join(out))]
    assert CARD not in str(stopped.value)
    assert one.applied == {"answer_scan": 1}


def test_what_is_to_be_noted_goes_on():
    one, text = scanner(owes("note")), f"{CARD} {PROSE * 9} {IBAN}"
    assert through(one, text, 9) == text
    assert one.applied == {"answer_scan": 2}


@pytest.mark.parametrize(
    ("owed", "expected"),
    [
        ([owes("redact")], "to a@example.org, [CARD]"),
        ([owes("redact", "email")], f"to [EMAIL], {CARD}"),
        ([owes("redact", "email", "card")], "to [EMAIL], [CARD]"),
        ([owes("note"), owes("redact", "email")], f"to [EMAIL], {CARD}"),
        ([owes("note", "card"), owes("redact", "card")], "to a@example.org, [CARD]"),
    ],
)
def test_only_what_policy_names_and_the_stricter_word_holds(owed, expected):
    assert through(scanner(*owed), f"to a@example.org, {CARD}") == expected


def test_the_strictest_of_all_stops():
    one = scanner(owes("redact"), owes("stop", "card"), owes("note", "card"))
    with pytest.raises(AnswerStopped):
        through(one, CARD)


def test_words_of_an_own_list_are_found():
    table = extended(rows("project", ["Blue Heron"], [r"PX-\d{5}"]))
    labels = Labels({**DEFAULT_FLOORS, "project": Label.RESTRICTED}, tables={"acme": table})
    text = f"{PROSE * 3}about blue heron and PX-12345. {PROSE * 3}"
    expected = text.replace("blue heron", "[PROJECT]").replace("PX-12345", "[PROJECT]")
    for size in (1, 40, None):
        assert through(scanner(labels=labels), text, size) == expected


def test_what_situs_put_there_itself_does_not_count():
    one = scanner(own=["4222 2222 2222 2220"])
    assert through(one, f"4222 2222 2222 2220, {CARD}") == "4222 2222 2222 2220, [CARD]"


def named(texts):
    return [
        Finding("person", part, text.index("Maria"), text.index("Maria") + 5, 0.9, "names")
        for part, text in enumerate(texts)
        if "Maria" in text
    ]


def test_names_are_looked_for_where_they_are_named():
    heads = Heads(names=named, name_kinds=("person",))
    text = f"{PROSE * 9}It was Maria who said so. {PROSE * 3}"
    one = scanner(owes("redact", "person"), heads=heads)
    assert through(one, text, 11) == text.replace("Maria", "[PERSON]")
    assert through(scanner(heads=heads), text, 11) == text


def test_what_nothing_here_can_find_is_not_promised():
    assert sought([owes("stop", "person")], LABELS, "acme", Heads(), ()) is None


@pytest.mark.parametrize("action", ["redact", "stop"])
def test_what_goes_on_after_a_pause_is_looked_at_together_with_what_came_before(action):
    one = scanner(owes(action))
    told = one.feed(f"{PROSE}4111 1111 ") + one.close()
    assert told == f"{PROSE}4111 1111 "
    if action == "stop":
        with pytest.raises(AnswerStopped):
            through(one, f"1111 1111 {PROSE}")
        return
    assert through(one, f"1111 1111 {PROSE}") == f"[CARD] {PROSE}"
    assert one.applied == {"answer_scan": 1}


def test_a_key_that_pauses_is_taken_out_whole():
    one, key = scanner(), key_block(30)
    told = [
        one.feed(key[:700]),
        one.close(),
        one.feed(key[700:]),
        one.feed(f"\n{PROSE}"),
        one.close(),
    ]
    assert "".join(told) == f"[PRIVATE_KEY]\n{PROSE}"


# JSON


@pytest.mark.parametrize("at", range(2, 60, 7))
def test_json_that_pauses_stays_json(at):
    source = json.dumps({"a": f"x {CARD} y", "b": 1, "c": CARD})
    one = scanner(as_json=True)
    told = [one.feed(source[:at]), one.close(), one.feed(source[at:]), one.close()]
    value = json.loads("".join(told))
    assert set(value) == {"a", "b", "c"}
    assert value["c"].endswith("[CARD]")  # its beginning may have gone on before


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("size", [1, 2, 13, None])
def test_json_stays_json(size, ascii_only):
    value = {
        "note": f'She said "pay {CARD}" : naïve\n',
        "path": "C:\\cards\\",
        "list": [CARD, {CARD: True}],
        "number": 4111111111111111,
        "more": [1, -2.5e3, None],
        "tail": PROSE * 4,
    }
    source = json.dumps(value, ensure_ascii=ascii_only)
    out = through(scanner(as_json=True), source, size)
    expected = {
        **value,
        "note": 'She said "pay [CARD]" : naïve\n',
        "list": ["[CARD]", {"[CARD]": True}],
        "number": 0,
    }
    assert json.loads(out) == expected


@pytest.mark.parametrize("size", [1, 29, None])
def test_escapes_hide_nothing(size):
    hidden = "".join(f"\\u{ord(char):04x}" for char in CARD)
    source = '{"a": "' + hidden + '", "k": ' + json.dumps(key_block(50)) + ', "z": "end"}'
    assert json.loads(through(scanner(as_json=True), source, size)) == {
        "a": "[CARD]",
        "k": "[PRIVATE_KEY]",
        "z": "end",
    }


def test_a_key_without_an_end_ends_with_its_string():
    source = json.dumps({"k": key_block(120)[:-40], "z": "end"})
    out = through(scanner(as_json=True), source, 50)
    assert json.loads(out) == {"k": "[PRIVATE_KEY]", "z": "end"}


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.one_of(st.text(max_size=40), st.integers(), st.just(CARD), st.none()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    st.integers(1, 80),
)
def test_any_json_stays_json_and_holds_no_card(value, size):
    out = through(scanner(owes("redact", "card"), as_json=True), json.dumps(value), size)
    assert CARD not in json.dumps(json.loads(out))


@pytest.mark.parametrize("text", [PROSE * 100, "Zz9" * 5000, CARD * 400, "\n\n" * 4000])
@pytest.mark.parametrize("size", [4, 20_000])
def test_what_it_costs_grows_no_faster_than_the_text(text, size):
    looked_at: list[Any] = []

    def names(texts):
        looked_at.extend(map(len, texts))
        return []

    one = scanner(owes("note", "person"), heads=Heads(names=names, name_kinds=("person",)))
    through(one, text, size)
    assert sum(looked_at) <= 10 * len(text)
