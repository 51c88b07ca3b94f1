"""Serving inference over HTTP: the same steps for every wire, streamed or not.

A new wire of the same kind is a module with `parse` and a line in `FORMS`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from msgspec import Struct

from situs.core.ports import Chunk
from situs.core.request import Ask, Principal, Request
from situs.core.snapshot import Snapshot
from situs.dispatch.attempt import end_of
from situs.errors import Draining, UnknownModel, UnknownPath
from situs.gateway import LONG, Answer, Gateway
from situs.http import openai, openai_chat, openai_completions, openai_embeddings
from situs.http.app import Call, HangUp, stopped
from situs.http.drawn import drawing
from situs.http.errors import envelope, log_unexpected, public
from situs.http.headers import ask_of, finals, response_headers, trace_of
from situs.http.respond import Send, send_body, send_error
from situs.placement.filters import known_name

_EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


Parse = Callable[[bytes, str, Ask, Principal, str | None], Request]


class Form(Struct, frozen=True):
    """How one path speaks: its body as a request, the chunks and the error of a stream as events.

    `parse` takes the body, a new id, what the headers ask, who asks, and the caller's trace.
    """

    parse: Parse
    event: Callable[[Chunk, Request, dict[str, Any]], bytes] = openai.event
    error_event: Callable[[dict[str, Any]], bytes] = openai.error_event


FORMS = {
    "/v1/chat/completions": Form(openai_chat.parse),
    "/v1/completions": Form(openai_completions.parse),
    "/v1/embeddings": Form(openai_embeddings.parse),
}

EXPLAIN = "/situs/v1/explain"


def form_of(path: str) -> Form:
    """The form of a path, or of the one that is to be explained: `/situs/v1/explain/embeddings`.

    Raises UnknownPath.
    """
    if path == EXPLAIN:
        path = "/v1/chat/completions"
    form = FORMS.get(path.replace(f"{EXPLAIN}/", "/v1/", 1))
    if form is None:
        raise UnknownPath("There is nothing at this path.")
    return form


async def request_of(call: Call, snapshot: Snapshot) -> Request:
    """The request in a call. Raises InvalidRequest; UnknownModel for a name nobody serves.

    A long one is read away from the event loop.
    """
    headers, parse = call.headers, form_of(call.path).parse
    asked = new_id(), ask_of(headers), call.caller.principal, trace_of(headers)
    if len(call.body) > LONG:
        request = await asyncio.to_thread(parse, call.body, *asked)
    else:
        request = parse(call.body, *asked)
    if not known_name(request, snapshot):
        raise UnknownModel("No deployment, model or route has this name.", param="model")
    return drawing(request, snapshot)


def new_id() -> str:
    """A request id that sorts by time: milliseconds, then 64 random bits."""
    return f"req_{time.time_ns() // 1_000_000:011x}{_random.getrandbits(64):016x}"


_random = random.Random(os.urandom(32))  # noqa: S311 - unique, not secret


class Inference:
    """`POST` to a path of `FORMS`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, call: Call) -> None:
        request = await request_of(call, self._gateway.situation.current().snapshot)
        with HangUp(call):
            try:
                answer = await self._gateway.handle(request)
            except asyncio.CancelledError as error:
                if not stopped(error):
                    raise
                await send_error(call.send, Draining("The gateway stopped before it could answer."))
                return
            try:
                await _send(answer, call)
            finally:
                await answer.close()


async def _send(answer: Answer, call: Call) -> None:
    headers, send = response_headers(answer), call.send
    if answer.error is not None:
        answer.error.advice = answer.error.advice.replace("show ID", f"show {answer.request.id}")
        await send_error(send, answer.error, headers)
    elif answer.request.stream and answer.status < 400:
        await _send_stream(answer, form_of(call.path), send, headers)
    elif answer.first is not None:
        await send_body(send, answer.status, answer.first.data, headers)


async def _send_stream(
    answer: Answer, form: Form, send: Send, headers: list[tuple[bytes, bytes]]
) -> None:
    """Events as they come; after a break, an error event and no clean end."""
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": [*_EVENTS, *headers]}
    )
    try:
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                known = finals(answer) if chunk.final is not None else {}
                data = form.event(chunk, answer.request, known)
                if data:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
    except asyncio.CancelledError as error:
        if not stopped(error):
            raise
        data = form.error_event(envelope(await answer.stop()))
        await send({"type": "http.response.body", "body": data, "more_body": True})
    except Exception as error:  # the head is sent: what happened can only be told as an event
        shown = public(error)
        if shown is not error:
            log_unexpected(error)
        answer.error = shown
        await answer.close(end_of(error))
        data = form.error_event(envelope(shown))
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
