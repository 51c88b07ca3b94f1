"""The event reader: any cut of the bytes says the same, and a broken line is never passed on."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.backends.sse import EventReader
from situs.core.record import Usage
from situs.errors import BackendUnavailable


def event(**fields):
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


HELLO = event(choices=[{"delta": {"content": "héllo"}, "finish_reason": None}])
STOP = event(choices=[{"delta": {}, "finish_reason": "stop"}])
USAGE = event(
    choices=[],
    usage={
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2},
    },
)
DONE = b"data: [DONE]\n\n"
WHOLE = HELLO + HELLO + STOP + USAGE + DONE


def read(*pieces):
    reader = EventReader()
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    reader.close()
    return chunks


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_any_cut_gives_the_same_bytes_and_usage(cuts):
    places = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in itertools.pairwise(places)]
    chunks = read(*pieces)
    assert b"".join(chunk.data for chunk in chunks) == WHOLE
    assert [c.usage for c in chunks if c.usage] == [Usage(7, 3, 2)]
    assert [c.last for c in chunks][-1] is True


@given(st.lists(st.integers(0, len(WHOLE) + 20), max_size=12))
def test_carriage_returns_are_line_ends_wherever_it_is_cut(cuts):
    whole = WHOLE.replace(b"\n", b"\r\n")
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert b"".join(c.data for c in read(*pieces)) == WHOLE


def test_a_long_event_in_many_small_pieces_is_read_once():
    """Byte by byte: what is held is not scanned again and again."""
    long = event(choices=[{"delta": {"content": "x" * 300_000}, "finish_reason": None}])
    chunks = read(*(long[i : i + 1] for i in range(len(long))), STOP, DONE)
    assert b"".join(c.data for c in chunks) == long + STOP + DONE


def test_comments_and_other_fields_pass():
    chunks = read(HELLO, b": ping\n\n", b"event: x\nid: 1\n" + STOP, DONE)
    assert b": ping\n\n" in [chunk.data for chunk in chunks]


def test_nothing_goes_on_before_the_first_data():
    reader = EventReader()
    assert not list(reader.feed(b": PROCESSING\n\nretry: 5\n\n"))
    assert [c.data for c in reader.feed(b": PROCESSING\n\n" + HELLO)] == [HELLO]


def test_what_comes_after_the_end_is_dropped():
    assert read(HELLO + STOP + DONE + HELLO + b"<ht")[-1].data == DONE


def test_an_event_of_null_is_left_out():
    chunks = read(HELLO + b"data: null\n\n" + STOP, b"data: null\n\n", DONE)
    assert b"".join(chunk.data for chunk in chunks) == HELLO + STOP + DONE


def test_a_finish_reason_and_a_clean_close_are_complete():
    assert read(HELLO, STOP)


def choice(index, finish=None):
    return event(choices=[{"index": index, "text": "a", "finish_reason": finish}])


def test_of_several_choices_every_one_must_have_finished():
    assert read(choice(0), choice(1), choice(0, "stop"), choice(1, "length"))
    with pytest.raises(BackendUnavailable):
        read(choice(0), choice(1), choice(0, "stop"))


def test_usage_without_completions_and_with_nulls_is_read():
    for usage, expected in (
        ({"prompt_tokens": 5, "total_tokens": 5}, Usage(5, 0)),
        ({"prompt_tokens": 5, "completion_tokens": None}, Usage(5, 0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(5, 0, 5)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "prompt_tokens_details": {
                    "cached_tokens": 4,
                    "cache_write_tokens": 3,
                    "audio_tokens": None,
                },
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 1},
            },
            Usage(9, 7, 4, 3, 5, 0, 1),
        ),
        (
            {
                "completion_tokens": 7,
                "completion_tokens_details": {"reasoning_tokens": 6, "audio_tokens": 6},
            },
            Usage(0, 7, reasoning_tokens=6, audio_completion_tokens=1),
        ),
    ):
        chunks = read(event(choices=[], usage=usage), STOP, DONE)
        assert chunks[0].usage == expected


@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_more_tokens_than_can_be_are_not_counted(name):
    for tokens, counted in ((10**7, True), (10**7 + 1, False), (10**30, False)):
        chunks = read(STOP, event(choices=[], usage={name: tokens}), DONE)
        assert any(c.usage for c in chunks) is counted


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([HELLO], "cut"),
        ([HELLO, STOP, b'data: {"choices"'], "cut"),
        ([DONE], "garbage"),
        ([USAGE, DONE], "garbage"),
        ([HELLO, DONE], "cut"),
        ([HELLO, STOP, b'event: error\ndata: {"message":"boom"}\n\n', DONE], "server_error"),
        ([HELLO, b"<html>\n\n"], "garbage"),
        ([HELLO, b"data: {broken\n\n"], "garbage"),
        ([HELLO, b"data: \xff\n\n"], "garbage"),
        ([HELLO, HELLO.replace("é".encode(), b"\xc3")], "garbage"),
        ([HELLO, b'data: {"usage": "many"}\n\n'], "garbage"),
        ([HELLO, b'data: {"usage": {"prompt_tokens": -5}}\n\n'], "garbage"),
        ([HELLO, event(error={"message": "overloaded"})], "server_error"),
        ([b"data: " + b"x" * (8 * 1024 * 1024 + 1)], "garbage"),
        ([], "cut"),
    ],
)
def test_what_is_not_complete_says_how_it_ended(pieces, reason):
    with pytest.raises(BackendUnavailable) as caught:
        read(*pieces)
    assert caught.value.reason == reason


def test_a_break_in_what_came_at_once_comes_before_all_of_it():
    """So a stream that is broken from its first read on can still be answered elsewhere."""
    with pytest.raises(BackendUnavailable):
        next(EventReader().feed(HELLO + b"data: {broken\n\n"))


def said(index=0, **delta):
    return event(choices=[{"index": index, "delta": delta}])


@pytest.mark.parametrize(
    ("events", "tokens"),
    [
        ([said(content="two ")] * 3, 3),
        ([said(role="assistant", content="Hi"), said(content=" you")], 2),
        ([said(role="assistant", content=""), said(content="Hi"), STOP], 1),
        ([said(role="assistant"), said(1, role="assistant"), said(content="a"), said(1)], 1),
        ([event(choices=[{"text": " a"}]), event(choices=[{"text": "", "index": 0}])], 1),
        ([event(choices=[{"text": "a", "finish_reason": "stop"}]), USAGE, b": wait\n\n"], 1),
        ([said(reasoning_content="so"), said(reasoning="so", reasoning_content="so")], 2),
        ([said(tool_calls=[{"id": "call_1", "function": {"name": "f", "arguments": ""}}])], 1),
        ([said(tool_calls=[{"function": {"arguments": '{"a":'}}])] * 4, 4),
        ([said(content=[{"type": "text", "text": "part"}]), said(refusal="No.")], 2),
        ([event(choices=[{"delta": None}]), said(content=None, tool_calls=[None, {}, "x"])], 0),
    ],
)
def test_each_piece_of_text_that_came_is_a_token(events, tokens):
    reader = EventReader()
    list(reader.feed(b"".join(events)))
    assert reader.tokens == tokens


@pytest.mark.parametrize("word", ["word ", "wörd ", "言葉"])
def test_long_pieces_are_as_many_tokens_as_their_texts(word):
    reader = EventReader()
    list(reader.feed(said(role="assistant", content=word * 500) + said(content=word * 500)))
    assert 1000 <= reader.tokens <= 2000
