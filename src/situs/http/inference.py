"""Serving inference over HTTP: the same steps for every wire, streamed or not."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import aclosing

from situs.core.fleet import FleetView
from situs.core.request import Principal, Request
from situs.dispatch.walk import end_of
from situs.errors import Draining, UnknownModel
from situs.gateway import Answer, Gateway
from situs.http import openai_chat
from situs.http.app import Call, HangUp, stopped
from situs.http.errors import envelope, log_unexpected, public
from situs.http.headers import ask_of, finals, response_headers
from situs.http.respond import Send, send_body, send_error
from situs.placement.filters import names

_EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


def request_of(call: Call, fleet: FleetView) -> Request:
    """The request in a call. Raises InvalidRequest; UnknownModel for a name nobody serves."""
    request = openai_chat.parse(call.body, new_id(), ask_of(call.headers), Principal())
    if not any(names(request, deployment) for deployment in fleet.deployments):
        raise UnknownModel("No deployment and no model has this name.", param="model")
    return request


def new_id() -> str:
    """A request id that sorts by time: milliseconds, then 64 random bits."""
    return f"req_{time.time_ns() // 1_000_000:011x}{_random.getrandbits(64):016x}"


_random = random.Random(os.urandom(32))  # noqa: S311 - unique, not secret


class Chat:
    """`POST /v1/chat/completions`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, call: Call) -> None:
        request = request_of(call, self._gateway.situation.current().snapshot.fleet)
        with HangUp(call):
            try:
                answer = await self._gateway.handle(request)
            except asyncio.CancelledError as error:
                if not stopped(error):
                    raise
                await send_error(call.send, Draining("The gateway stopped before it could answer."))
                return
            try:
                await _send(answer, call.send)
            finally:
                await answer.close()


async def _send(answer: Answer, send: Send) -> None:
    headers = response_headers(answer)
    if answer.error is not None:
        answer.error.advice = answer.error.advice.replace("show ID", f"show {answer.request.id}")
        await send_error(send, answer.error, headers)
    elif answer.request.stream and answer.status < 400:
        await _send_stream(answer, send, headers)
    elif answer.first is not None:
        await send_body(send, answer.status, answer.first.data, headers)


async def _send_stream(answer: Answer, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Events as they come; after a break, an error event and no clean end."""
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": [*_EVENTS, *headers]}
    )
    try:
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                known = finals(answer) if chunk.final is not None else {}
                data = openai_chat.event(chunk, answer.request, known)
                if data:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
    except asyncio.CancelledError as error:
        if not stopped(error):
            raise
        data = openai_chat.error_event(envelope(await answer.stop()))
        await send({"type": "http.response.body", "body": data, "more_body": True})
    except Exception as error:  # the head is sent: what happened can only be told as an event
        shown = public(error)
        if shown is not error:
            log_unexpected(error)
        answer.error = shown
        await answer.close(end_of(error))
        data = openai_chat.error_event(envelope(shown))
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
