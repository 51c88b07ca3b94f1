"""A small bench of the places that answer: how often they are right, how fast, and for how much.

Questions have one short right answer each, so that no judge is needed. The bundled ones are few
and easy to know; they tell a model that can do a kind of work from one that cannot, no more.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from situs.core.snapshot import Belief
from situs.placement.quality import interval
from situs.studies.rows import rows
from situs.studies.train_confidence import correct

Connect = Callable[[], http.client.HTTPConnection]
_PATH = "/v1/chat/completions"
_LONGEST = 512
"""Tokens of an answer: all right ones are shorter than that."""


class Question(Struct, frozen=True):
    """`answers` are all right; case, marks and what comes before the last line do not count."""

    prompt: str
    answers: tuple[str, ...]
    task: str = "any"


class Asked(Struct, frozen=True, omit_defaults=True):
    """How one question went: seconds, tokens as reported; `id` is the request's.

    `ttft_s` is None where nothing came, `right` where it is not known: without a whole answer.
    """

    deployment: str
    question: int
    task: str
    status: int
    seconds: float
    id: str = ""
    code: str = ""
    right: bool | None = None
    ttft_s: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    currency: str = ""


class Share(Struct, frozen=True):
    """So many of those asked were right; the true share is within `low` and `high` in 19 of 20."""

    right: int
    asked: int
    low: float
    high: float


class Bench(Struct, frozen=True):
    """One place. Seconds are medians; `per_million` is money for a million tokens of both kinds.

    None stands for what nobody said: no price, no usage, no answer.
    """

    deployment: str
    all: Share
    tasks: dict[str, Share]
    failed: dict[str, int]
    ttft_s: float | None = None
    e2e_s: float | None = None
    tokens_s: float | None = None
    per_million: float | None = None
    currency: str = ""


def questions(file: Path | None = None, sample: int | None = None) -> list[Question]:
    """Those of a file (JSON lines: `prompt`, `answer`, perhaps `task`), or the bundled ones.

    Raises ConfigError.
    """
    if file is None:
        text = files("situs.studies").joinpath("bench.jsonl").read_bytes()
        found = [msgspec.json.decode(line, type=Question) for line in text.splitlines()]
    else:
        found = [
            Question(str(one["prompt"]), (str(one["answer"]),), str(one["task"] or "any"))
            for one in rows(file, ("prompt", "answer"), ("task",))
        ]
    return found[:sample]


def ask_all(
    connect: Connect, key: str, deployments: Sequence[str], asked: Sequence[Question]
) -> Iterator[Asked]:
    """Every question to every place, one at a time, the places in turn."""
    for place, question in enumerate(asked):
        for deployment in deployments:
            yield _ask(connect(), key, deployment, place, question)


def digest(question: Question) -> str:
    """By which it is known again."""
    return sha256(question.prompt.encode()).hexdigest()[:16]


def report(deployments: Sequence[str], said: Sequence[Asked]) -> list[Bench]:
    """A row for each place, in their order."""
    return [_bench(name, [one for one in said if one.deployment == name]) for name in deployments]


def _bench(name: str, mine: Sequence[Asked]) -> Bench:
    whole = [one for one in mine if one.right is not None]
    failed: dict[str, int] = {}
    for one in mine:
        if one.right is None:
            failed[one.code] = failed.get(one.code, 0) + 1
    paid = [one for one in whole if one.cost is not None and one.prompt_tokens]
    tokens = sum(one.prompt_tokens + one.completion_tokens for one in paid)
    tasks = dict.fromkeys(one.task for one in mine)
    return Bench(
        name,
        _share(whole),
        {task: _share([one for one in whole if one.task == task]) for task in tasks},
        failed,
        _median([one.ttft_s for one in whole if one.ttft_s is not None]),
        _median([one.seconds for one in whole]),
        _median([speed for one in whole if (speed := _speed(one)) is not None]),
        sum(one.cost or 0.0 for one in paid) / tokens * 1e6 if tokens else None,
        next((one.currency for one in paid), ""),
    )


def _speed(one: Asked) -> float | None:
    """Tokens a second after the first; nothing follows from an answer of one or two."""
    if one.ttft_s is None or one.completion_tokens < 3 or one.seconds <= one.ttft_s:
        return None
    return (one.completion_tokens - 1) / (one.seconds - one.ttft_s)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _share(whole: Sequence[Asked]) -> Share:
    right = sum(bool(one.right) for one in whole)
    if not whole:
        return Share(0, 0, 0.0, 1.0)
    return Share(right, len(whole), *interval(Belief(right / len(whole), float(len(whole)))))


def _ask(
    connection: http.client.HTTPConnection,
    key: str,
    deployment: str,
    place: int,
    question: Question,
) -> Asked:
    """Streamed, so that it is seen when the first token comes."""
    head = {"content-type": "application/json"}
    if key:
        head["authorization"] = f"Bearer {key}"
    message = {"role": "user", "content": question.prompt}
    body: dict[str, Any] = {"model": deployment, "messages": [message], "temperature": 0}
    body |= {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": _LONGEST}
    began = time.monotonic()

    def ended(status: int, **facts: Any) -> Asked:
        seconds = time.monotonic() - began
        return Asked(deployment, place, question.task, status, seconds, **facts)

    try:
        connection.request("POST", _PATH, msgspec.json.encode(body), head)
        answer = connection.getresponse()
        id_ = answer.headers.get("x-situs-request-id", "")
        if answer.status != 200:
            error = _object(answer.read()).get("error")
            return ended(answer.status, id=id_, code=_code(error, "no_answer"))
        said = _read(answer, began)
    except (OSError, http.client.HTTPException):
        return ended(0, code="no_answer")
    finally:
        connection.close()
    if said.error is not None or not said.whole:
        return ended(200, id=id_, code=_code(said.error, "stream_broken"))
    cost, currency = _money(said.facts.get("situs"))
    return ended(
        200,
        id=id_,
        right=any(correct(said.text, gold) for gold in question.answers),
        ttft_s=said.ttft_s,
        prompt_tokens=_tokens(said.facts, "prompt_tokens"),
        completion_tokens=_tokens(said.facts, "completion_tokens"),
        cost=cost,
        currency=currency,
    )


class _Streamed(Struct, frozen=True):
    """`facts` are what the stream says besides: `usage`, `situs`. It is whole where it says why it
    ended, and that it did.
    """

    text: str
    ttft_s: float | None
    whole: bool
    facts: dict[str, Any]
    error: Any = None


def _read(answer: http.client.HTTPResponse, began: float) -> _Streamed:
    parts: list[str] = []
    ttft_s: float | None = None
    facts: dict[str, Any] = {}
    finished = done = False
    for line in answer:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        done = done or data == b"[DONE]"
        event = _object(data)
        facts |= {name: event[name] for name in ("usage", "situs", "error") if event.get(name)}
        for choice in _list(event.get("choices")):
            finished = finished or isinstance(_in(choice, "finish_reason"), str)
            text = _in(_in(choice, "delta"), "content")
            if isinstance(text, str) and text:
                parts.append(text)
                ttft_s = ttft_s or time.monotonic() - began
    return _Streamed("".join(parts), ttft_s, finished and done, facts, facts.get("error"))


# Whoever listens at a URL may send anything.


def _object(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _in(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _code(error: Any, otherwise: str) -> str:
    code = _in(error, "code")
    return code if isinstance(code, str) and code.isidentifier() else otherwise


def _tokens(facts: dict[str, Any], name: str) -> int:
    value = _in(facts.get("usage"), name)
    return value if isinstance(value, int) and value > 0 else 0


def _money(situs: Any) -> tuple[float | None, str]:
    """A sum and its currency, as in `0.0012 USD`."""
    found = re.fullmatch(r"([0-9.e-]+) ([A-Z]{3})", str(_in(situs, "cost")))
    try:
        return (float(found[1]), found[2]) if found else (None, "")
    except ValueError:
        return None, ""
