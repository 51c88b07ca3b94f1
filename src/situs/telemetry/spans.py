"""What was served as spans, with the names of OpenTelemetry's conventions for generative AI.

One server span a request and one client span an attempt, made after the fact. Attempts are laid
end to end from the decision on, since a receipt has their lengths only. Never any content.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from situs.core.record import Attempt, End, Served
from situs.core.request import Service, Wire

_IDS = r"([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})"
_TRACEPARENT = re.compile(rf"(?:00-{_IDS}|(?!00|ff)[0-9a-f]{{2}}-{_IDS}(?:-.*)?)")
_OPERATIONS = {
    Service.CHAT: "chat",
    Service.COMPLETIONS: "text_completion",
    Service.EMBEDDINGS: "embeddings",
}
_SAMPLED = 0x01

Value = str | int | float | bool


class Parent(Struct, frozen=True):
    """The caller's span, as W3C Trace Context's `traceparent` says it."""

    trace_id: int
    span_id: int
    sampled: bool


class Span(Struct, frozen=True):
    """One span; times in nanoseconds since the epoch. `server`: a request, else an attempt."""

    name: str
    server: bool
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    failed: bool


def parent_of(header: str | None) -> Parent | None:
    """None for a header that the specification tells to ignore."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups() if part is not None)
    if not trace_id or not span_id:
        return None
    return Parent(trace_id, span_id, bool(flags & _SAMPLED))


def spans_of(served: Served, sample: float = 1.0) -> list[Span]:
    """The request's span and then its attempts'; none when it is not sampled, or not to be logged.

    The caller's `traceparent` decides where there is one, else the share `sample` of all. Ids
    are hashes of the request's id, so the same receipt always makes the same spans.
    """
    parent = parent_of(served.trace)
    if not served.logged:
        return []
    if parent is None:
        trace_id = _id(served, "trace", 16)
        if (trace_id >> 64) / 2**64 >= sample:
            return []
    elif not parent.sampled:
        return []
    else:
        trace_id = parent.trace_id
    outcome = served.outcome
    start = min(outcome.at - outcome.duration_s, served.at)
    server = Span(
        name=_name(served.wire, served.asked),
        server=True,
        trace_id=trace_id,
        span_id=_id(served, "request", 8),
        parent_id=None if parent is None else parent.span_id,
        start_ns=_ns(start),
        end_ns=_ns(outcome.at),
        attributes=_request_attributes(served),
        failed=outcome.status >= 500,
    )
    return [server, *_attempts(served, server)]


def _attempts(served: Served, server: Span) -> list[Span]:
    spans, start = [], served.at
    for number, attempt in enumerate(served.outcome.attempts):
        begin = min(_ns(start), server.end_ns)
        start += attempt.duration_s
        spans.append(
            Span(
                name=_name(served.wire, attempt.model),
                server=False,
                trace_id=server.trace_id,
                span_id=_id(served, f"attempt {number}", 8),
                parent_id=server.span_id,
                start_ns=begin,
                end_ns=min(_ns(start), server.end_ns),
                attributes=_attempt_attributes(served, attempt),
                failed=attempt.end is not End.COMPLETE,
            )
        )
    return spans


def _request_attributes(served: Served) -> dict[str, Value]:
    outcome, last = served.outcome, _last(served.outcome.attempts)
    found: dict[str, Value | None] = {
        **_common(served.wire),
        "gen_ai.request.model": served.asked,
        "gen_ai.request.stream": served.stream,
        "gen_ai.response.model": None if last is None else last.model,
        "http.response.status_code": outcome.status,
        "error.type": outcome.code,
        "situs.request_id": served.id,
        "situs.receipt": str(served.receipt),
        "situs.label": served.label,
        "situs.task": served.task,
        "situs.route": served.route,
        "situs.objective": served.objective,
        "situs.allowed": served.allowed,
        "situs.deployment": None if last is None else last.deployment,
        "situs.locus": None if last is None else last.locus,
        "situs.jurisdiction": None if last is None else last.jurisdiction,
        "situs.cost": outcome.cost,
        "situs.saved": outcome.saved,
        "situs.currency": outcome.currency,
        "situs.overhead_s": outcome.overhead_s,
    }
    if outcome.usage is not None:
        found["gen_ai.usage.input_tokens"] = outcome.usage.prompt_tokens
        found["gen_ai.usage.output_tokens"] = outcome.usage.completion_tokens
        found["gen_ai.usage.cache_read.input_tokens"] = outcome.usage.cached_prompt_tokens
        found["situs.counted"] = outcome.usage.counted or None
    return _there(found)


def _attempt_attributes(served: Served, attempt: Attempt) -> dict[str, Value]:
    peer = attempt.peer
    ended = None if attempt.end is End.COMPLETE else attempt.end.value
    return _there(
        {
            **_common(served.wire),
            "gen_ai.request.model": attempt.model,
            "server.address": None if peer is None else peer.address,
            "server.port": None if peer is None else peer.port,
            "http.response.status_code": attempt.status,
            "error.type": ended,
            "situs.deployment": attempt.deployment,
            "situs.locus": attempt.locus,
            "situs.jurisdiction": attempt.jurisdiction,
            "situs.bytes_out": attempt.bytes_out,
            "situs.bytes_in": attempt.bytes_in,
            "situs.ttft_s": attempt.ttft_s if served.stream else None,
        }
    )


def _common(wire: str) -> dict[str, Value | None]:
    """`gen_ai.provider.name` names the API that was spoken, as the conventions ask."""
    return {
        "gen_ai.operation.name": _operation(wire),
        "gen_ai.provider.name": wire.partition(".")[0],
    }


def _operation(wire: str) -> str:
    return _OPERATIONS[Wire(wire).service] if wire in set(Wire) else wire


def _name(wire: str, model: str) -> str:
    """Operation and model; a model that is not configured is a digest, and stays out of names."""
    digest = model.startswith("sha256:")
    return _operation(wire) if digest else f"{_operation(wire)} {model}"


def _last(attempts: Sequence[Attempt]) -> Attempt | None:
    return attempts[-1] if attempts else None


def _there(values: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _id(served: Served, what: str, size: int) -> int:
    """Never 0, which would mean that there is none."""
    return int.from_bytes(sha256(f"situs {what}\n{served.id}".encode()).digest()[:size]) or 1


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
