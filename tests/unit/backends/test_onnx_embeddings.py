"""Embeddings in process, over a small model made of words: order, limits, failures, leaving."""

import asyncio
import threading
from array import array
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from tests import make

from situs.backends.by_deployment import ByDeployment
from situs.backends.onnx_embeddings import Encoders, OnnxEmbeddings
from situs.core.record import Usage
from situs.core.request import Wire
from situs.errors import BackendUnavailable, InvalidRequest, WeightsError

CANARY = "canary" + "-4711"


class Words:
    """A model of words: the vector of a text is its number of words and its first word's length."""

    context_tokens = 12
    dimensions = 2
    specials = 2
    unknown = 100

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()

    def tokens(self, texts):
        return [[101, *map(len, text.split()), 102] for text in texts]

    def vectors(self, batch):
        self.began.set()
        assert self.gate.wait(30)
        self.batches.append(len(batch))
        if any(13 in ids for ids in batch):
            raise RuntimeError(f"unlucky: {CANARY}")
        return [array("f", [len(ids) - 2, ids[1]]) for ids in batch]


class Shelf(Struct, frozen=True):
    """Loads the model `name`, or fails to."""

    name: str
    models: dict[str, Any]

    def load(self):
        self.models["loads"] = self.models.get("loads", 0) + 1
        if self.name not in self.models:
            raise WeightsError("the weights are missing", do="Pull them.")
        return self.models[self.name]

    def __hash__(self):
        return hash(self.name)


DEPLOYMENT = make.deployment("local", model="minilm")


def request(given, **fields):
    document = {"model": "auto", "input": given, **fields}
    return make.request(wire=Wire.OPENAI_EMBEDDINGS, document=document)


async def answer(backend, given, **fields):
    reply = backend.prepare(DEPLOYMENT, request(given, **fields))
    await reply.open()
    chunks = [chunk async for chunk in reply.chunks()]
    await reply.close()
    return reply, chunks


def serve(story, model=None, name="words"):
    """Runs `story(backend, model, models)`."""
    model = model or Words()
    models = {"words": model}

    async def run():
        encoders = Encoders()
        try:
            return await story(OnnxEmbeddings({"local": Shelf(name, models)}, encoders), models)
        finally:
            model.gate.set()
            encoders.close()

    return asyncio.run(run())


def test_an_answer_is_one_last_chunk_in_the_order_of_the_texts_and_reaches_no_peer():
    async def story(backend, _):
        return await answer(backend, ["a b c", "abcd", "a b", "abc d e f"])

    reply, chunks = serve(story)
    (chunk,) = chunks
    said = msgspec.json.decode(chunk.data)
    found = [(one["index"], one["embedding"]) for one in said["data"]]
    assert found == [(0, [3, 1]), (1, [1, 4]), (2, [2, 1]), (3, [4, 3])]
    assert chunk.last
    assert chunk.usage == Usage(10, 0)  # special tokens are not counted
    assert said["usage"] == {"prompt_tokens": 10, "total_tokens": 10}
    assert said["model"] == "minilm"
    assert (reply.status, reply.peer, reply.bytes_out) == (200, None, 0)


@pytest.mark.parametrize(
    ("given", "fields", "param", "message"),
    [
        (["a", "b " * 11], {}, "input[1]", "input[1] has 11 tokens; local embeds at most 10."),
        ("b " * 11, {}, "input", "input has 11 tokens; local embeds at most 10."),
        (["b" * 1281], {}, "input[0]", "input[0] has 1281 characters; local embeds at most 1280"),
        ("a", {"dimensions": 3}, "dimensions", "dimensions is 3; the model has 2."),
        ([[1, 2]], {}, "input", "input holds token ids"),
    ],
)
def test_what_cannot_be_embedded_whole_is_refused(given, fields, param, message):
    async def story(backend, models):
        with pytest.raises(InvalidRequest) as caught:
            await answer(backend, given, **fields)
        assert models["words"].batches == []
        return caught.value

    error = serve(story)
    assert (error.status, error.param) == (400, param)
    assert error.message.startswith(message)


def test_a_text_that_just_fits_is_embedded():
    _, chunks = serve(lambda backend, _: answer(backend, "b " * 10))
    assert msgspec.json.decode(chunks[0].data)["data"][0]["embedding"] == [10, 1]


def test_a_model_is_loaded_once_and_kept_for_the_next_fleet_until_no_fleet_has_it():
    async def story():
        models: dict[str, Any] = {"words": Words(), "other": Words()}
        encoders = Encoders()
        try:
            first = OnnxEmbeddings({"local": Shelf("words", models)}, encoders)
            await asyncio.gather(*(answer(first, "a") for _ in range(5)))
            second = OnnxEmbeddings({"local": Shelf("words", models)}, encoders)
            del first
            await answer(second, "a")
            assert models["loads"] == 1
            second = OnnxEmbeddings({"local": Shelf("other", models)}, encoders)
            await answer(second, "a")
            assert len(encoders._seats) == 1
            third = OnnxEmbeddings({"local": Shelf("words", models)}, encoders)
            await answer(third, "a")
            return models["loads"]
        finally:
            encoders.close()

    assert asyncio.run(story()) == 3


def test_a_model_that_cannot_be_loaded_is_unreachable_and_is_tried_again(caplog):
    async def story(backend, models):
        with pytest.raises(BackendUnavailable) as caught:
            await answer(backend, "a")
        assert caught.value.reason == "unreachable"
        models["late"] = models["words"]
        return await answer(backend, "a")

    reply, _ = serve(story, name="late")
    assert reply.status == 200
    assert "the weights are missing Pull them." in caplog.text


def test_a_model_that_fails_is_a_server_error_and_its_words_stay_unsaid(caplog):
    async def story(backend, _):
        with pytest.raises(BackendUnavailable) as caught:
            await answer(backend, "a" * 13)
        assert (await answer(backend, "a"))[0].status == 200
        return caught.value

    error = serve(story)
    assert error.reason == "server_error"
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text + error.message
    assert error.__cause__ is None


def test_a_caller_that_leaves_takes_the_batches_that_have_not_begun():
    model = Words()
    model.context_tokens = 600

    async def story(backend, _):
        model.gate.clear()
        task = asyncio.create_task(answer(backend, ["b " * 500] * 6))
        await asyncio.to_thread(model.began.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        model.gate.set()
        await answer(backend, "a")  # waits for the batch that had begun
        return model.batches

    assert serve(story, model) == [1, 1]


def test_requests_take_turns_batch_by_batch():
    model = Words()
    model.context_tokens = 600

    async def story(backend, _):
        done = []
        model.gate.clear()
        long = asyncio.create_task(answer(backend, ["b " * 500] * 6))
        await asyncio.to_thread(model.began.wait, 30)
        short = asyncio.create_task(answer(backend, "a"))
        long.add_done_callback(lambda _: done.append("long"))
        short.add_done_callback(lambda _: done.append("short"))
        await asyncio.sleep(0)  # it has asked for its turn
        model.gate.set()
        await asyncio.gather(long, short)
        return done

    assert serve(story, model) == ["short", "long"]


def test_each_deployment_is_sent_to_its_own_backend():
    class Named:
        def __init__(self, name):
            self.name = name

        def prepare(self, deployment, request):
            return (self.name, deployment.name)

    backends = ByDeployment({"a": Named("one"), "b": Named("two")})
    for name, expected in (("a", "one"), ("b", "two")):
        found: Any = backends.prepare(make.deployment(name), make.request())
        assert found == (expected, name)
