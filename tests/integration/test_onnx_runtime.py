"""The real embedding model with the real weights, in process."""

import asyncio
import base64
import math
import struct
import time

import msgspec
import pytest
from tests import make
from tests.weights import weights

from situs.backends.onnx_embeddings import Encoders, OnnxEmbeddings
from situs.core.request import Wire
from situs.errors import InvalidRequest, WeightsError
from situs.runtimes.onnx import load, onnx_spec
from situs.runtimes.weights import Located

DEPLOYMENT = make.deployment("local-minilm", model="minilm")

PARAPHRASES = [
    ("How do I reset my password?", "I forgot my password, how can I change it?", 0.894),
    ("The cat sat on the mat.", "A cat is sitting on a rug.", 0.728),
    ("What is the weather today?", "Tell me today's weather forecast.", 0.810),
]
UNRELATED = [
    ("How do I reset my password?", "Bananas are rich in potassium.", 0.003),
    ("The cat sat on the mat.", "The stock market fell sharply.", 0.079),
    ("What is the weather today?", "Implement quicksort in Rust.", 0.056),
]
TEXTS = [
    "one",
    "a somewhat longer text about nothing in particular",
    " ".join(["word"] * 240),
    "Ein Satz auf Deutsch, mit Umlauten: äöüß.",
    "短い文章です。",
    "🙂 emoji and\x00control\tcharacters",
    "one " + "x" * 500,
] * 3


@pytest.fixture(scope="module")
def spec():
    found = onnx_spec(
        "all-MiniLM-L6-v2.int8",
        "all-MiniLM-L6-v2.tokenizer",
        weights(),
        context_tokens=256,
        dimensions=384,
    )
    for one in (found.weights, found.tokenizer):
        assert one.path.exists(), f"nothing at {one.path}: run `make test`, which pulls it"
    return found


@pytest.fixture(scope="module")
def model(spec):
    return load(spec)


class Loaded(msgspec.Struct, frozen=True):
    """A source that has its model already."""

    model: object

    def load(self):
        return self.model


def ask(model, *documents):
    """The answers to these documents, asked at the same time."""

    async def one(backend, document):
        request = make.request(wire=Wire.OPENAI_EMBEDDINGS, document={"model": "auto", **document})
        reply = backend.prepare(DEPLOYMENT, request)
        await reply.open()
        (chunk,) = [chunk async for chunk in reply.chunks()]
        return msgspec.json.decode(chunk.data)

    async def all_of_them():
        encoders = Encoders()
        try:
            backend = OnnxEmbeddings({"local-minilm": Loaded(model)}, encoders)
            return await asyncio.gather(*(one(backend, document) for document in documents))
        finally:
            encoders.close()

    return asyncio.run(all_of_them())


def embed(model, texts, **fields):
    (said,) = ask(model, {"input": texts, **fields})
    assert [one["index"] for one in said["data"]] == list(range(len(texts)))
    return [one["embedding"] for one in said["data"]]


def cosine(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("one", "other", "expected"), PARAPHRASES + UNRELATED)
def test_cosines_are_those_of_the_reference(model, one, other, expected):
    """Computed once with onnxruntime and numpy alone, pooled as the model's card says."""
    a, b = embed(model, [one, other])
    assert len(a) == 384
    assert math.isclose(cosine(a, a), 1.0, abs_tol=1e-5)
    assert math.isclose(cosine(a, b), expected, abs_tol=0.01)


def test_a_batch_gives_what_each_text_alone_gives(model):
    """Weights are int8, what is computed is float32: batches differ by rounding at most."""
    together = embed(model, TEXTS)
    alone = [one["data"][0]["embedding"] for one in ask(model, *({"input": t} for t in TEXTS))]
    for a, b in zip(together, alone, strict=True):
        assert all(abs(x - y) < 1e-6 for x, y in zip(a, b, strict=True))


def test_base64_holds_the_same_numbers(model):
    plain = embed(model, TEXTS[:3])
    packed = embed(model, TEXTS[:3], encoding_format="base64")
    for numbers, text in zip(plain, packed, strict=True):
        assert list(struct.unpack("<384f", base64.b64decode(text))) == numbers


def test_fewer_dimensions_are_the_first_ones_at_length_one(model):
    (whole,) = embed(model, ["a text"])
    (short,) = embed(model, ["a text"], dimensions=64)
    length = math.sqrt(cosine(whole[:64], whole[:64]))
    assert math.isclose(cosine(short, short), 1.0, abs_tol=1e-5)
    assert all(abs(s - w / length) < 1e-6 for s, w in zip(short, whole[:64], strict=True))


def test_tokens_are_counted_without_the_special_ones_and_none_is_cut_off(model):
    (said,) = ask(model, {"input": ["hello world", "unbelievable"]})
    assert said["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    (said,) = ask(model, {"input": "dog " * 254})
    assert said["usage"]["prompt_tokens"] == 254
    with pytest.raises(InvalidRequest, match=r"input\[1\] has 255 tokens; .* at most 254\."):
        ask(model, {"input": ["dog", "dog " * 255]})


def test_many_callers_at_once_each_get_their_own(model):
    texts = [f"text number {n} about {'cats' if n % 2 else 'dogs'}" for n in range(40)]
    expected = embed(model, texts)
    answers = ask(model, *({"input": [text]} for text in texts))
    for answer, vector in zip(answers, expected, strict=True):
        assert all(
            abs(x - y) < 1e-6 for x, y in zip(answer["data"][0]["embedding"], vector, strict=True)
        )


def test_the_event_loop_goes_on_while_texts_are_embedded(model):
    """Both the tokenizer and the model compute without the interpreter's lock."""

    async def turns(work):
        task = asyncio.create_task(asyncio.to_thread(work))
        count = 0
        while not task.done():
            await asyncio.sleep(0.001)
            count += 1
        return count

    def split():
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            model.tokens(["some words of a text " * 3000])

    tokens = model.tokens(["dog " * 250] * 8)
    assert asyncio.run(turns(lambda: model.vectors(tokens))) > 20
    assert asyncio.run(turns(split)) > 20


def test_a_model_of_another_size_than_configured_is_refused(spec):
    with pytest.raises(WeightsError, match="makes embeddings of 384 dimensions, configured are 99"):
        load(msgspec.structs.replace(spec, dimensions=99))


def test_weights_with_one_changed_byte_are_not_loaded(tmp_path, spec):
    copy = tmp_path / spec.weights.path.name
    body = bytearray(spec.weights.path.read_bytes())
    body[-1] ^= 1
    copy.write_bytes(body)
    changed = msgspec.structs.replace(spec, weights=Located(spec.weights.weights, copy))
    with pytest.raises(WeightsError, match="not what the models lock says"):
        load(changed)
