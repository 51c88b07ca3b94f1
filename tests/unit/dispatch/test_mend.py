"""Answers on their way to the caller: every text passes through filters, and all stays JSON."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from msgspec.structs import replace
from tests import make

from situs.analysis.transforms import Restoration, Restorer
from situs.analysis.transforms.swap import Pair
from situs.backends.sse import EventReader
from situs.core.ports import Chunk
from situs.core.record import Usage
from situs.core.request import Wire
from situs.dispatch.mend import Field, Mended, mend_for
from situs.errors import StreamBroken

BACK = Restoration.of(
    [Pair('An"n\n', "Tova", True, True), Pair("ann@corp.test", "x@y.example.org")]
)


def restoring(field):
    return Restorer(BACK, json=field.json)


class Held:
    """Holds everything back until the end, and counts."""

    def __init__(self, field):
        self.field, self.text, self.fed = field, "", 0

    def feed(self, text):
        self.fed += 1
        self.text += text
        return ""

    def close(self):
        text, self.text = self.text, ""
        return text.upper()

    @property
    def applied(self):
        return {"held": self.fed}


class Stopping(Held):
    def feed(self, text):
        raise StreamBroken("The answer was stopped.", reason="stopped")


def event(*choices, **fields):
    document = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return (
        b"data: " + json.dumps({**document, "choices": list(choices), **fields}).encode() + b"\n\n"
    )


def delta(index=0, finish=None, **fields):
    return {"index": index, "delta": fields, "finish_reason": finish}


def call(index, **fields):
    return {"index": index, **fields}


DONE = b"data: [DONE]\n\n"


def streamed(mend, data, size=None):
    """What comes out when a backend's bytes arrive in pieces, as documents; and as chunks."""
    reader, chunks = EventReader(), []
    for place in range(0, len(data), size or len(data)):
        for chunk in reader.feed(data[place : place + (size or len(data))]):
            chunks.extend(mend.feed(chunk))
    chunks.extend(mend.close())
    body = b"".join(chunk.data for chunk in chunks)
    assert body.endswith(b"\n\n")
    events = [one.removeprefix(b"data: ") for one in body.split(b"\n\n")[:-1]]
    return [json.loads(one) if one[:1] == b"{" else one for one in events], chunks


def collected(documents):
    """What a client puts together: (choice, path) to text; and what came after the finish."""
    found: dict[Any, str] = {}
    over = set()

    def add(choice, path, value):
        if isinstance(value, str):
            assert choice not in over
            found[choice, path] = found.get((choice, path), "") + value
        elif isinstance(value, dict):
            for key, inner in value.items():
                add(choice, (*path, key), inner)
        elif isinstance(value, list):
            for inner in value:
                add(choice, (*path, inner.pop("index")), inner)

    for document in documents:
        for choice in document["choices"] if isinstance(document, dict) else ():
            index, finish = choice.pop("index"), choice.pop("finish_reason")
            choice.pop("logprobs", None)
            add(index, (), choice)
            if finish:
                over.add(index)
    return found


def test_texts_of_all_fields_and_choices_come_back_wherever_they_are_cut():
    pieces = [
        event(delta(role="assistant", content="")),
        event(delta(reasoning_content="Think of To"), delta(1, content="x@y.exam")),
        event(delta(reasoning_content="va."), delta(1, content="ple.org, to")),
        event(delta(content="Dear Tov")),
        event(delta(content="a, Tovar"), delta(1, content="va")),
        event(delta(1, "stop", content=" TO")),
        event(delta(tool_calls=[call(0, id="t", type="function", function={"name": "f"})])),
        event(delta(tool_calls=[call(0, function={"arguments": '{"to": "\\u0054o'})])),
        event(delta(tool_calls=[call(0, function={"arguments": 'va"}'})])),
        event(delta(tool_calls=[call(1, function={"arguments": '{"n": "Tova'})])),
        event(delta(tool_calls=[call(1, function={"arguments": ' Tova"}'})])),
        event(delta(refusal="No, Tova")),
        event(delta(0, "tool_calls", function_call={"arguments": '"Tova'})),
        event(usage={"prompt_tokens": 3, "completion_tokens": 9}),
        DONE,
    ]
    for size in (None, 1, 7, 50, 400):
        documents, chunks = streamed(Mended([restoring]), b"".join(pieces), size)
        found = collected(documents)
        assert found[0, ("delta", "reasoning_content")] == 'Think of An"n\n.'
        assert found[0, ("delta", "content")] == 'Dear An"n\n, Tovar'
        assert found[1, ("delta", "content")] == 'ann@corp.test, an"n\n TO'
        assert found[0, ("delta", "refusal")] == 'No, An"n\n'
        first, second = (
            found[0, ("delta", "tool_calls", place, "function", "arguments")] for place in (0, 1)
        )
        assert json.loads(first) == {"to": 'An"n\n'}
        assert json.loads(second) == {"n": 'An"n\n An"n\n'}
        assert json.loads(found[0, ("delta", "function_call", "arguments")] + '"') == 'An"n\n'
        assert documents[-1] == b"[DONE]"
        assert chunks[-1].last
        assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(3, 9)]


def test_any_stream_says_the_same_however_the_model_cuts_it():
    chance = random.Random(3)
    said = "Tova, x@y.example.org; Tovaxx TOVA tova x@y.example.orgs Tova"
    expected = BACK.back(said)
    for _ in range(60):
        cuts = sorted(chance.choices(range(len(said) + 1), k=chance.randrange(12)))
        parts = [said[one:other] for one, other in zip([0, *cuts], [*cuts, len(said)], strict=True)]
        pieces = [event(delta(content=part)) for part in parts[:-1]]
        pieces.append(event(delta(0, "stop", content=parts[-1])))
        documents, _ = streamed(Mended([restoring]), b"".join([*pieces, DONE]))
        assert collected(documents)[0, ("delta", "content")] == expected


def test_what_is_held_back_goes_on_before_the_next_field_the_end_and_done():
    pieces = [
        event(delta(reasoning_content="a")),
        event(delta(content="b")),
        event(delta(0, "stop")),
        event(delta(1, content="c")),
        event(delta(1, "stop")),
        DONE,
    ]
    documents, chunks = streamed(Mended([Held]), b"".join(pieces))
    told = [
        (choice["index"], key, value)
        for document in documents[:-1]
        for choice in document["choices"]
        for key, value in choice["delta"].items()
    ]
    assert [one for one in told if one[2]] == [
        (0, "reasoning_content", "A"),
        (0, "content", "B"),
        (1, "content", "C"),
    ]
    assert told[1] == (0, "reasoning_content", "A")
    assert documents[-1] == b"[DONE]"
    assert [documents[1][key] for key in ("id", "model", "created")] == ["c1", "m", 1]
    assert chunks[-1].last


def test_what_is_held_back_goes_on_at_the_end_of_a_stream_without_done():
    mend = Mended([Held])
    mend.feed(Chunk(event(delta(content="b"))))
    (last,) = mend.close()
    assert b'"content":"B"' in last.data
    assert mend.close() == []


def test_the_event_with_the_usage_is_mended_in_both_of_its_forms():
    data = event(delta(0, "stop", content="Tova"), usage={"prompt_tokens": 1})
    (chunk,) = EventReader().feed(data)
    (made,) = Mended([restoring]).feed(chunk)
    assert made.final is not None
    assert made.final["choices"][0]["delta"]["content"] == 'An"n\n'
    assert json.loads(made.data[6:]) == made.final
    assert made.usage == chunk.usage


def test_untouched_events_stay_as_they_came_and_comments_pass():
    data = b": ping\n\ndata:  " + event(delta(content="plain")).removeprefix(b"data: ")
    reader, mended = EventReader(), Mended([restoring])
    (first,) = reader.feed(event(delta(content="a")))
    mended.feed(first)
    (chunk,) = reader.feed(data)
    (made,) = mended.feed(chunk)
    assert made.data == data


def test_events_of_several_lines_keep_what_they_say_besides():
    data = b"event: x\nid: 4\n" + event(delta(content="Tova,"))
    (made,) = Mended([restoring]).feed(Chunk(data))
    assert made.data.startswith(b"event: x\nid: 4\ndata: {")
    assert b"Tova" not in made.data


def test_completions_have_texts_of_their_own():
    pieces = [
        event({"index": 0, "text": "To", "finish_reason": None}),
        event({"index": 0, "text": "va", "logprobs": None, "finish_reason": None}),
        event({"index": 0, "text": "", "finish_reason": "stop"}),
        DONE,
    ]
    documents, _ = streamed(Mended([restoring]), b"".join(pieces))
    assert collected(documents)[0, ("text",)] == 'An"n\n'


def test_a_whole_answer_is_mended_in_all_its_texts():
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "Tova",
        "refusal": None,
        "tool_calls": [
            {
                "id": "Tova",
                "type": "function",
                "function": {"name": "Tova", "arguments": '["Tova"]'},
            },
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    parts = {"role": "assistant", "content": [{"type": "text", "text": "to tova"}]}
    body = {
        "id": "Tova",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "stop"},
            {"index": 1, "message": parts, "logprobs": {"content": [{"token": "Tova"}]}},
        ],
        "usage": {"prompt_tokens": 1},
    }
    mend = Mended([restoring])
    (made,) = mend.feed(Chunk(json.dumps(body).encode(), usage=Usage(1, 0), last=True))
    said = json.loads(made.data)
    first, second = (choice["message"] for choice in said["choices"])
    assert first["content"] == 'An"n\n'
    assert first["tool_calls"][0]["id"] == "Tova"
    assert first["tool_calls"][0]["function"]["name"] == 'An"n\n'
    assert json.loads(first["tool_calls"][0]["function"]["arguments"]) == ['An"n\n']
    assert first["tool_calls"][1] == message["tool_calls"][1]
    assert second["content"][0]["text"] == 'to an"n\n'
    assert said["choices"][1]["logprobs"]["content"][0]["token"] == "Tova"
    assert (said["id"], said["usage"]) == ("Tova", {"prompt_tokens": 1})
    assert (made.usage, made.last) == (Usage(1, 0), True)
    assert mend.applied == {"restored": 4}
    assert mend.close() == []


@pytest.mark.parametrize("error", ["Tova is bad", {"message": "Tova is bad", "type": "x"}])
def test_an_error_of_the_backend_is_mended_too(error):
    (made,) = Mended([restoring]).feed(Chunk(json.dumps({"error": error}).encode(), last=True))
    assert json.dumps('An"n\n')[1:-1] in made.data.decode()
    assert json.loads(made.data)["error"] != error


def test_a_field_goes_on_where_it_was_after_another_came_between():
    class Numbered(Held):
        def feed(self, text):
            self.fed += 1
            return f"{self.fed}{text}"

    mended, told = Mended([Numbered]), []
    for place, text in ((0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")):
        part = delta(tool_calls=[call(place, function={"arguments": text})])
        told += mended.feed(Chunk(event(part)))
    assert [
        piece for chunk in told for piece in re.findall(r"[0-9][a-e]", chunk.data.decode())
    ] == [*("1a", "1b", "2c", "2d", "3e")]
    assert mended.applied == {"held": 5}


def test_what_stands_beside_the_choices_is_mended_too():
    beside = {"citations": ["x@y.example.org", "z"], "search": [{"title": "Tova", "n": 1}]}
    whole = {"id": "Tova", "choices": [], **beside, "usage": {"total_tokens": 1}}
    [chunk] = Mended([restoring]).feed(Chunk(json.dumps(whole).encode(), last=True))
    expected = {"citations": ["ann@corp.test", "z"], "search": [{"title": 'An"n\n', "n": 1}]}
    assert json.loads(chunk.data) == {**whole, **expected}
    [chunk] = Mended([restoring]).feed(Chunk(event(delta(content="hi"), **beside)))
    told = json.loads(chunk.data.removeprefix(b"data: "))
    assert {key: told[key] for key in beside} == expected


def test_structured_output_is_json_source():
    document = {"choices": [{"index": 0, "message": {"content": '{"a": "Tova"}'}}]}
    for structured, whole in ((True, {"a": 'An"n\n'}), (False, None)):
        mend = Mended([restoring], structured=structured)
        (made,) = mend.feed(Chunk(json.dumps(document).encode(), last=True))
        content = json.loads(made.data)["choices"][0]["message"]["content"]
        if whole:
            assert json.loads(content) == whole
        else:
            assert content == '{"a": "An"n\n"}'


def test_filters_see_each_field_in_the_order_they_are_given():
    seen = []

    def noting(field):
        seen.append(field)
        return Held(field)

    document = {"choices": [{"index": 0, "message": {"content": "Tova"}}]}
    (made,) = Mended([restoring, noting]).feed(Chunk(json.dumps(document).encode(), last=True))
    assert 'AN\\"N\\n' in made.data.decode()
    assert seen == [Field(0, ("message", "content"), False)]
    (made,) = Mended([noting, restoring]).feed(Chunk(json.dumps(document).encode(), last=True))
    assert 'AN\\"N\\n' in made.data.decode()


def test_log_probabilities_are_left_out_where_asked():
    choice = {**delta(finish="stop", content="x"), "logprobs": {"content": [{"token": "Tova"}]}}
    for bare in (True, False):
        documents, _ = streamed(Mended([restoring], bare=bare), event(choice) + DONE)
        assert (documents[0]["choices"][0]["logprobs"] is None) == bare


def test_a_filter_can_stop_an_answer():
    with pytest.raises(StreamBroken) as caught:
        Mended([Stopping]).feed(Chunk(event(delta(content="x"))))
    assert caught.value.reason == "stopped"


def test_half_a_character_passes():
    data = event(delta(content="\ud83d Tova,")) + event(delta(content="\ude00"))
    (made,) = Mended([restoring]).feed(Chunk(data))
    first, second = (json.loads(one[6:]) for one in made.data.split(b"\n\n")[:2])
    assert first["choices"][0]["delta"]["content"] == '\ud83d An"n\n,'
    assert second["choices"][0]["delta"]["content"] == "\ude00"


@pytest.mark.parametrize("data", [b'{"a"', b"data: {oops\n\n", b"data: [1]\n\n"])
def test_what_is_no_answer_breaks_the_stream(data):
    with pytest.raises(StreamBroken) as caught:
        Mended([restoring]).feed(Chunk(data))
    assert caught.value.reason == "garbage"


def test_what_is_nested_too_deeply_or_has_too_many_fields_breaks_the_stream():
    deep: dict[str, Any] = {"a": "x"}
    for _ in range(40):
        deep = {"a": deep}
    calls = [call(place, function={"arguments": "x"}) for place in range(5000)]
    for fields in (deep, {"tool_calls": calls}):
        with pytest.raises(StreamBroken):
            Mended([restoring]).feed(Chunk(event(delta(**fields))))


def test_a_mend_is_made_anew_for_each_attempt_and_only_where_there_is_something_to_mend():
    request = make.request()
    new = mend_for(request, [restoring])
    assert new is not None
    one, other = new(), new()
    one.feed(Chunk(event(delta(content="Tova, ")), last=False))
    assert one.applied == {"restored": 1}
    assert other.applied == {}
    assert mend_for(request, []) is None
    assert mend_for(replace(request, wire=Wire.OPENAI_EMBEDDINGS), [restoring]) is None
