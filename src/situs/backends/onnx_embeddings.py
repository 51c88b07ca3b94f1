"""Embeddings from owned models in this process: nothing leaves it, so no peer is reached."""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import methodcaller
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from msgspec import Struct

from situs.backends.embedding import Asked, batches, document_of, item_of, portions, read
from situs.core.fleet import Deployment
from situs.core.ports import Chunk
from situs.core.record import End, Usage
from situs.core.request import Request
from situs.errors import BackendUnavailable, InvalidRequest, OperatorError

_log = logging.getLogger("situs")

_Found = TypeVar("_Found")


class Encoder(Protocol):
    """A loaded model; only one thread at a time uses it.

    `specials` of the `context_tokens` of each text are its own: they begin and end every text.
    `unknown` is the token that stands for whatever it has no word for (-1: there is none).
    """

    context_tokens: int
    dimensions: int
    specials: int
    unknown: int

    def tokens(self, texts: Sequence[str]) -> list[list[int]]: ...

    def vectors(self, batch: Sequence[Sequence[int]]) -> list[array[float]]: ...


class Source(Protocol):
    """How to load a model. Equal sources are the same model, so they must be hashable values."""

    def load(self) -> Encoder:
        """Raises OperatorError."""

    def __hash__(self) -> int: ...


class Seat:
    """Where a model is, once it is loaded; the fleets and requests that use it share one seat."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.encoder: Encoder | None = None


class Encoders:
    """The thread that computes, and the seats of its models, each loaded when first used.

    There is one in a process, and it outlives a fleet: the next one finds its models loaded. A
    model that no fleet and no request uses any more is let go.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "situs-embeddings")
        self._seats: WeakValueDictionary[Source, Seat] = WeakValueDictionary()

    def seat(self, source: Source) -> Seat:
        found = self._seats.get(source)
        if found is None:
            found = self._seats[source] = Seat(source)
        return found

    async def run(self, seat: Seat, work: Callable[[Encoder], _Found]) -> _Found:
        """`work` on the thread, after what was asked for before it. Raises BackendUnavailable.

        A caller that leaves takes its work with it, unless that has begun.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _work, seat, work)

    def close(self) -> None:
        """What has begun ends; the rest never runs."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _work(seat: Seat, work: Callable[[Encoder], _Found]) -> _Found:
    try:
        if seat.encoder is None:
            seat.encoder = seat.source.load()
        return work(seat.encoder)
    except OperatorError as error:
        _log.error("%s %s", error.message, error.advice)
        raise BackendUnavailable("The model cannot be loaded.", reason=End.UNREACHABLE) from error
    except Exception as error:
        # Its words may quote the text; its name does not.
        _log.error("an embedding model failed: %s", type(error).__name__)
        raise BackendUnavailable("The model failed.", reason=End.SERVER_ERROR) from None


class OnnxEmbeddings:
    """The deployments that are computed in this process, by name; see `core.ports.Backends`."""

    def __init__(self, sources: Mapping[str, Source], encoders: Encoders) -> None:
        self._seats = {name: encoders.seat(source) for name, source in sources.items()}
        self._encoders = encoders

    def prepare(self, deployment: Deployment, request: Request) -> InProcessReply:
        seat = self._seats[deployment.name]
        return InProcessReply(self._encoders, seat, deployment, request)


class InProcessReply:
    """One request to one model; see `core.ports.Reply`. No byte leaves, so there is no peer."""

    pieces = 0

    def __init__(
        self, encoders: Encoders, seat: Seat, deployment: Deployment, request: Request
    ) -> None:
        self.peer = None
        self.bytes_out = 0
        self.status = 0
        self._encoders = encoders
        self._seat = seat
        self._deployment = deployment
        self._request = request
        self._asked: Asked | None = None
        self._tokens: list[list[int]] = []
        self._specials = 0

    async def open(self) -> None:
        """Counts the tokens. Raises InvalidRequest for what the model cannot embed whole."""
        asked = self._asked = read(self._request.document)
        room = await self._encoders.run(self._seat, _room)
        _check_dimensions(asked, room.dimensions)
        limit, self._specials = room.tokens, room.specials
        longest = limit * _CHARACTERS
        for index, text in enumerate(asked.texts):
            if len(text) > longest:
                raise self._too_long(index, f"{len(text)} characters", f"{longest} of them")
        for portion in portions(asked.texts):
            split = methodcaller("tokens", asked.texts[portion])
            found: list[list[int]] = await self._encoders.run(self._seat, split)
            self._tokens += found
            for index, tokens in enumerate(found, portion.start):
                if (count := len(tokens) - self._specials) > limit:
                    raise self._too_long(index, f"{count} tokens", f"{limit}")
                if tokens.count(room.unknown) >= count:
                    raise self._says_nothing(index)
        self.status = 200

    async def chunks(self) -> AsyncGenerator[Chunk]:
        asked, tokens = self._asked, self._tokens
        if asked is None:
            raise RuntimeError("not open")
        items = [b""] * len(tokens)
        for places in batches([len(one) for one in tokens]):

            def work(encoder: Encoder, places: list[int] = places) -> list[bytes]:
                vectors = encoder.vectors([tokens[place] for place in places])
                pairs = zip(places, vectors, strict=True)
                return [item_of(place, vector, asked) for place, vector in pairs]

            made = await self._encoders.run(self._seat, work)
            for place, item in zip(places, made, strict=True):
                items[place] = item
        count = sum(len(one) - self._specials for one in tokens)
        body = document_of(items, self._deployment.model.name, count)
        yield Chunk(body, usage=Usage(count, 0), last=True)

    async def close(self) -> None:
        """Nothing is open: work that was not begun went with its caller."""

    def _path(self, index: int) -> str:
        return f"input[{index}]" if self._asked is not None and self._asked.several else "input"

    def _says_nothing(self, index: int) -> InvalidRequest:
        """All such texts would have one and the same vector."""
        path = self._path(index)
        return InvalidRequest(
            f"{path} has no word that {self._deployment.name} knows.",
            param=path,
            do="Send words; emoji, a single word of over 100 characters and white space are none.",
        )

    def _too_long(self, index: int, has: str, limit: str) -> InvalidRequest:
        path = self._path(index)
        return InvalidRequest(
            f"{path} has {has}; {self._deployment.name} embeds at most {limit}.",
            param=path,
            do="Split the text into shorter ones; nothing is cut off silently.",
        )


_CHARACTERS = 128
"""More characters than this for each token are not counted out: no language comes near."""


class _Room(Struct, frozen=True):
    """What a model takes: `tokens` of each text, its own `specials` not counted."""

    tokens: int
    specials: int
    dimensions: int
    unknown: int


def _room(encoder: Encoder) -> _Room:
    tokens = encoder.context_tokens - encoder.specials
    return _Room(tokens, encoder.specials, encoder.dimensions, encoder.unknown)


def _check_dimensions(asked: Asked, dimensions: int) -> None:
    if asked.dimensions is not None and asked.dimensions > dimensions:
        raise InvalidRequest(
            f"dimensions is {asked.dimensions}; the model has {dimensions}.",
            param="dimensions",
            do=f"Ask for at most {dimensions}, or leave it out.",
        )
