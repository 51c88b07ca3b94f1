"""Strings in a JSON document: none is missed, and no error quotes any."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.texts import KEYS_OF_THE_WIRE, WORDS_OF_THE_WIRE, texts_of
from situs.backends.openai_compatible import outgoing
from situs.core.request import Request, Text, Wire
from situs.errors import InvalidRequest
from situs.http.document import parse_object

WORDS = WORDS_OF_THE_WIRE
KEYS = KEYS_OF_THE_WIRE

STRINGS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(sorted(WORDS | KEYS | {"password", "data:x", "(keys)"})),
)
NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(STRINGS, inner, max_size=5)
    ),
    max_leaves=25,
)
DOCUMENTS = st.dictionaries(STRINGS, VALUES, max_size=6)


def strings(value):
    """Every string in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def numbers(value, *, parameter=False):
    """Every number in a value; not the short ones of the wire's own parameters."""
    if type(value) in (int, float):
        if not (parameter and abs(value) < 10**9):
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)


def shown(texts):
    return "\n".join(text.text for text in texts)


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS)
def test_every_string_is_shown_but_the_words_of_the_wire(made):
    texts = texts_of(made)
    whole = shown(texts)
    for string in strings(made):
        assert string in whole or string in WORDS | KEYS
    assert texts == texts_of(json.loads(json.dumps(made)))


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS)
def test_every_number_is_shown_but_short_parameters(made):
    words = shown(texts_of(made)).replace(",", " ").split()
    for key, value in made.items():
        for number in numbers(value, parameter=key in KEYS):
            assert written(number) in words


def written(number):
    if isinstance(number, int):
        return str(number)
    if abs(number) >= 1e22:
        return repr(number).replace(".", "")
    return f"{number:.0f}" if number.is_integer() else repr(number)


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS, st.booleans())
def test_nothing_leaves_that_was_not_shown(made, stream):
    made.pop("stream_options", None)
    body = json.dumps(made).encode()
    parsed = parse_object(body)
    texts = texts_of(parsed)
    request = Request("r", Wire.OPENAI_CHAT, "auto", parsed, texts, len(body), body, stream)
    sent = json.loads(outgoing(request, "the-model"))
    known = WORDS | KEYS | {"the-model"}
    for string in strings(sent):
        assert string in known or string in shown(texts)


def test_the_words_of_the_wire_can_carry_nothing():
    for word in WORDS | KEYS:
        assert word.isascii()
        assert word.replace("_", "").isalpha()


@pytest.mark.parametrize(
    ("made", "texts"),
    [
        ({}, []),
        ({"model": "m", "messages": [{"role": "user", "content": ""}]}, [("model", "m")]),
        ({"stop": ["a", "text"]}, [("stop[0]", "a")]),
        ({"x": {"y": [{"z": "deep"}]}}, [("x.y[0].z", "deep"), ("(keys)", "x\ny\nz")]),
        ({"max_tokens": 200, "temperature": 0.5, "n": None, "stream": True}, []),
        ({"seed": 4_111_111_111}, [("(numbers)", "4111111111")]),
        ({"metadata": {"n": 12}}, [("metadata", "12")]),
        ({"enum": [4, 1, True, 1.5, "a"]}, [("enum[4]", "a"), ("enum", "4, 1, 1.5")]),
        ({"enum": [4.1e15]}, [("enum", "4100000000000000")]),
        ({"enum": [4.111111111111111e30]}, [("enum", "4111111111111111e+30")]),
        ({"enum": [4111111111111111.5]}, [("enum", "4111111111111111, 4111111111111111.5")]),
        ({"metadata": {"pin": 12}}, [("metadata", "12"), ("(keys)", "pin: 12")]),
        (
            {"metadata": {"password": "x"}},
            [("metadata.password", "x"), ("(keys)", "password: x")],
        ),
        ({"metadata": {"token": "x" * 257}}, [("metadata.token", "x" * 257), ("(keys)", "token")]),
        ({"a": {"b": {}}, "c": 1}, [("(numbers)", "1"), ("(keys)", "a\nb\nc")]),
    ],
)
def test_texts_have_their_paths(made, texts):
    assert texts_of(made) == tuple(Text(path, text) for path, text in texts)


@pytest.mark.parametrize("unit", ["1e308", "-1e308", "1e22", "9e21", "1e-300", "0", "1.5"])
def test_what_is_shown_of_numbers_is_not_much_longer_than_they_are(unit):
    body = f'{{"x": [{", ".join([unit] * 1000)}]}}'.encode()
    assert len(shown(texts_of(parse_object(body)))) < 5 * len(body)


def nested(levels):
    return {"x": json.loads("[" * levels + '"deep"' + "]" * levels)}


def test_nesting_has_a_limit():
    assert texts_of(nested(128))[0].text == "deep"
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        texts_of(nested(129))


CANARY = "canary77"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"{} {}",
        b'{"a": NaN}',
        b'{"a": 1e400}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b"{\"a\": 'x'}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a"' + b":[" * 100_000,
        f'{{"{CANARY}": {CANARY}}}'.encode(),
        f'{{"{CANARY}": "{CANARY}"'.encode(),
        '{"a": "x"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_object_is_refused_without_quoting_it(body):
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body)
    assert CANARY not in caught.value.message
    assert caught.value.status == 400


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.binary(max_size=60), STRINGS.map(str.encode)))
def test_any_bytes_are_an_object_or_refused(body):
    try:
        parsed = parse_object(body)
    except InvalidRequest:
        return
    assert parsed == json.loads(body)


def test_of_a_key_twice_the_last_counts():
    assert parse_object(b'{"a": 1, "a": 2}') == {"a": 2}
