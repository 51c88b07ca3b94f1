"""The embeddings document: reading, batching, answering; no model in sight."""

import base64
import math
import struct
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.backends.embedding import (
    Asked,
    batches,
    document_of,
    item_of,
    portions,
    read,
    shortened,
)
from situs.errors import InvalidRequest

PLAIN = Asked(texts=("a",), several=False, base64=False, dimensions=None)
floats = st.floats(-1, 1, width=32)
vectors = st.lists(floats, min_size=1, max_size=20).map(lambda xs: array("f", xs))


def test_one_text_and_a_list_are_read():
    assert read({"input": "a"}) == PLAIN
    asked = read({"input": ["a", "b"], "encoding_format": "base64", "dimensions": 3, "user": "u"})
    assert asked == Asked(texts=("a", "b"), several=True, base64=True, dimensions=3)
    assert read({"input": "a", "encoding_format": None, "dimensions": None}) == PLAIN


@pytest.mark.parametrize("given_input", [[1, 2], [[1, 2], [3]]])
def test_token_ids_are_refused_with_advice(given_input):
    with pytest.raises(InvalidRequest) as caught:
        read({"input": given_input})
    assert caught.value.status == 400
    assert caught.value.param == "input"
    assert "check_embedding_ctx_length=False" in caught.value.advice


@given(st.lists(st.integers(0, 100_000), max_size=40))
def test_portions_cover_every_text_once_and_in_order(sizes):
    texts = ["x" * size for size in sizes]
    found = [texts[portion] for portion in portions(texts)]
    assert [text for portion in found for text in portion] == texts
    for portion in found:
        assert len(portion) == 1 or sum(map(len, portion)) <= 64 * 1024


@given(st.lists(st.integers(2, 600), max_size=80))
def test_batches_cover_every_text_once_and_bound_what_is_computed_at_once(lengths):
    found = list(batches(lengths))
    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[place] for place in batch)
        assert len(batch) == 1 or longest * len(batch) <= 256


def test_texts_of_one_length_share_a_batch():
    assert list(batches([500, 3, 400, 3])) == [[0], [2], [1, 3]]


@given(vectors, st.integers(1, 25))
def test_a_shortened_vector_has_the_same_direction_and_length_one(vector, dimensions):
    short = shortened(vector, dimensions)
    if dimensions >= len(vector):
        assert short == vector
        return
    head = vector[:dimensions]
    length = math.sqrt(math.fsum(x * x for x in head))
    assert len(short) == dimensions
    if length > 1e-20:
        assert math.isclose(math.fsum(x * x for x in short), 1.0, abs_tol=1e-5)
        assert all(
            math.isclose(s * length, h, abs_tol=1e-6) for s, h in zip(short, head, strict=True)
        )


@given(vectors)
def test_base64_is_little_endian_float32_of_the_same_numbers(vector):
    plain = msgspec.json.decode(item_of(3, vector, PLAIN))
    packed = item_of(3, vector, msgspec.structs.replace(PLAIN, base64=True))
    said = msgspec.json.decode(packed)
    data = base64.b64decode(said["embedding"])
    assert list(struct.unpack(f"<{len(vector)}f", data)) == plain["embedding"]
    assert (said["object"], said["index"]) == (plain["object"], plain["index"]) == ("embedding", 3)


def test_the_answer_has_the_shape_of_openais():
    items = [item_of(place, array("f", [0.5]), PLAIN) for place in range(2)]
    assert msgspec.json.decode(document_of(items, "minilm", 7)) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5]},
            {"object": "embedding", "index": 1, "embedding": [0.5]},
        ],
        "model": "minilm",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
