"""What the fake OpenAI server answers: pieces of bytes, and how they fail.

Every body, streamed or not, is a list of pieces; a mode changes the head, the pieces, or where
sending stops. `MODES` names them all.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from tests.fakes import openai_says
from tests.fakes.openai_says import Speaker

STATUSES = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", "unprocessable"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", "internal_error"),
    502: ("server_error", "bad_gateway"),
    503: ("server_error", "overloaded"),
}

MODES = frozenset(
    {
        "ok",
        "hang_before_head",  # reads the request, never answers
        "hang_after_head",  # status and headers, then nothing
        "stall_mid_stream",  # `after` pieces, then nothing
        "slow",  # `delay_s` before every piece, as in the modes that break a stream
        "cut_before_first_byte",  # closes the TCP connection without a byte
        "cut_mid_body",  # promises more bytes than it sends, then closes
        "cut_mid_stream",  # `after` pieces, chunked, closed without the terminator
        "reset_mid_stream",  # the same with a TCP reset
        "garbage_body",  # 200, application/json, not JSON
        "garbage_sse",  # a broken event after `after` pieces
        "error_event",  # `data: {"error": ...}` after `after` pieces, then the end
        "html_200",  # 200 with a login page
        "redirect",  # 307 to `location`
        "wrong_model",  # answers for another model than asked
        "no_usage",
        "no_done",  # ends cleanly without [DONE]
        "no_finish",  # no finish_reason and no [DONE], yet a clean end
        "huge_chunk",  # one piece of `size_bytes`
        "endless_stream",
        "half_utf8",  # invalid: half a character inside one event
        "split_utf8",  # valid: characters split over pieces
    }
    | {f"status_{status}" for status in STATUSES}
)


class Switch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to answer. `once`: the next chat request only, then ok again.

    `says` are bodies of other paths, for GET; all other paths are not found.
    """

    mode: str = "ok"
    after: int = 2
    once: bool = False
    delay_s: float = 0.05
    retry_after_s: int = 1
    size_bytes: int = 1_000_000
    location: str = "/elsewhere"
    content: str | None = None
    piece_chars: int | None = None
    code: str | None = None
    logprob: float = openai_says.LOGPROB
    says: dict[str, str] = {}


class Answer(Struct, frozen=True):
    """A head, the pieces of the body, and where sending stops.

    `stop` is `hang`, `cut` or `reset` after `stop_after` pieces (0: right after the head).
    `promised` is a content-length that is not the truth.
    """

    status: int
    headers: dict[str, str]
    pieces: list[bytes]
    chunked: bool = False
    endless: bool = False
    promised: int | None = None
    stop: str | None = None
    stop_after: int = 0
    delay_s: float = 0.0


def answer_to(path: str, document: dict[str, Any], switch: Switch, name: str) -> Answer:
    """The answer on one of `openai_says.PATHS` under `switch`."""
    mode = switch.mode
    if mode.startswith("status_"):
        return error_answer(int(mode.removeprefix("status_")), switch)
    if mode == "redirect":
        return Answer(307, {"location": switch.location}, [])
    if mode == "html_200":
        return Answer(200, {"content-type": "text/html"}, [b"<html>Please log in</html>"])
    if mode == "garbage_body":
        return Answer(200, {"content-type": "application/json"}, [b'{"id": "chatcmpl-', b"\x00<"])
    stream, document = bool(document.get("stream")), {**document, "_logprob": switch.logprob}
    speak = _events if stream else _body
    pieces = speak(path, document, switch, _speaker(document, switch, name))
    kind = "text/event-stream" if stream else "application/json"
    headers = {"content-type": kind, "x-request-id": f"req-{name}"}
    return _spoilt(Answer(200, headers, pieces, chunked=stream), switch)


def error_answer(status: int, switch: Switch | None = None) -> Answer:
    """An OpenAI error body; 429 and 503 carry Retry-After."""
    switch = switch or Switch()
    kind, code = STATUSES[status]
    error = {"message": f"fake error {status}", "type": kind, "param": None}
    body = json.dumps({"error": {**error, "code": switch.code or code}}).encode()
    headers = {"content-type": "application/json"}
    if status in (429, 503):
        headers["retry-after"] = str(switch.retry_after_s)
    return Answer(status, headers, [body])


def json_answer(document: Any, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, [json.dumps(document).encode()])


def _speaker(document: dict[str, Any], switch: Switch, name: str) -> Speaker:
    wrong = switch.mode == "wrong_model"
    model = "another-model" if wrong else str(document.get("model", ""))
    content = "x" * switch.size_bytes if switch.mode == "huge_chunk" else switch.content
    return Speaker(name, model, content, switch.piece_chars)


def _body(path: str, document: dict[str, Any], switch: Switch, speaker: Speaker) -> list[bytes]:
    answer = openai_says.whole(path, document, speaker)
    if switch.mode == "no_usage":
        del answer["usage"]
    body = json.dumps(answer, ensure_ascii=False).encode()
    if switch.mode == "half_utf8":
        body = body.replace(b" heard", b" h\xc3ard", 1)
    step = max(1, len(body) // 4)
    return [body[i : i + step] for i in range(0, len(body), step)]


def _events(path: str, document: dict[str, Any], switch: Switch, speaker: Speaker) -> list[bytes]:
    pieces = [
        _sse(event)
        for event in openai_says.events(path, document, speaker)
        if switch.mode != "no_finish" or not event["choices"][0]["finish_reason"]
    ]
    wants_usage = bool((document.get("stream_options") or {}).get("include_usage"))
    if wants_usage and switch.mode != "no_usage":
        pieces.append(_sse(openai_says.usage_event(path, document, speaker)))
    if switch.mode not in ("no_done", "no_finish"):
        pieces.append(b"data: [DONE]\n\n")
    return pieces


def _sse(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def _spoilt(answer: Answer, switch: Switch) -> Answer:
    """`answer` with what the mode breaks about its pieces or its end."""
    at = switch.after
    size = sum(map(len, answer.pieces))
    paced = {"delay_s": switch.delay_s}  # so that what comes before the break is read before it
    ends: dict[str, dict[str, Any]] = {
        "hang_before_head": {"stop": "hang"},
        "hang_after_head": {"stop": "hang"},
        "stall_mid_stream": {"stop": "hang", "stop_after": at},
        "cut_before_first_byte": {"stop": "cut"},
        "cut_mid_stream": {"chunked": True, "stop": "cut", "stop_after": at, **paced},
        "reset_mid_stream": {"chunked": True, "stop": "reset", "stop_after": at, **paced},
        "garbage_sse": paced,
        "error_event": paced,
        "half_utf8": paced,
        "cut_mid_body": {
            "chunked": False,
            "promised": size + 1000,
            "stop": "cut",
            "stop_after": at,
        },
        "slow": paced,
        "endless_stream": {"chunked": True, "endless": True, "delay_s": 0.001},
    }
    return _changed(answer, pieces=_broken(answer, switch), **ends.get(switch.mode, {}))


def _broken(answer: Answer, switch: Switch) -> list[bytes]:
    pieces, at = list(answer.pieces), switch.after
    match switch.mode:
        case "garbage_sse":
            pieces.insert(at, b'data: {"id": "chatcmpl-broken", "choices": [{"delta\n\n')
        case "error_event":
            error = {"message": "fake error", "type": "server_error", "code": "internal_error"}
            pieces = [*pieces[:at], _sse({"error": error})]
        case "half_utf8" if answer.chunked:
            pieces.insert(
                at, b'data: {"choices": [{"index": 0, "delta": {"content": "\xc3"}}]}\n\n'
            )
        case "split_utf8":
            whole = b"".join(pieces)
            pieces = [whole[i : i + 7] for i in range(0, len(whole), 7)]
    return pieces


def _changed(answer: Answer, **changes: Any) -> Answer:
    fields = {field: getattr(answer, field) for field in answer.__struct_fields__}
    return Answer(**{**fields, **changes})


def sent_pieces(answer: Answer) -> Iterator[bytes]:
    """The pieces in sending order, up to where the answer stops."""
    pieces: Iterator[bytes] = iter(answer.pieces)
    if answer.endless:
        pieces = itertools.cycle(answer.pieces[:2])
    if answer.stop is not None:
        pieces = itertools.islice(pieces, answer.stop_after)
    yield from pieces
