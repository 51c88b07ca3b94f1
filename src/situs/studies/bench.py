"""A small bench of the places that answer: how often they are right, how fast, and for how much.

Questions have one short right answer each, so that no judge is needed. The bundled ones are few
and easy to know; they tell a model that can do a kind of work from one that cannot, no more.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
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
            error = _object(answer.read()).get("error") or {}
            return ended(answer.status, id=id_, code=str(error.get("code") or "no_answer"))
        text, ttft_s, final = _read(answer, began)
    except (OSError, http.client.HTTPException):
        return ended(0, code="no_answer")
    finally:
        connection.close()
    if (error := final.get("error")) or not final:
        return ended(200, id=id_, code=str((error or {}).get("code") or "stream_broken"))
    usage, situs = final.get("usage") or {}, final.get("situs") or {}
    cost, _, currency = str(situs.get("cost") or "").partition(" ")
    return ended(
        200,
        id=id_,
        right=any(correct(text, gold) for gold in question.answers),
        ttft_s=ttft_s,
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
        cost=float(cost) if cost else None,
        currency=currency,
    )


def _read(
    answer: http.client.HTTPResponse, began: float
) -> tuple[str, float | None, dict[str, Any]]:
    """The text, when it began, and the event that ended it: with the usage, or an error."""
    parts: list[str] = []
    ttft_s: float | None = None
    final: dict[str, Any] = {}
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        event = _object(line[6:])
        if event.get("usage") or event.get("error"):
            final = event
        for choice in event.get("choices") or ():
            if said := (choice.get("delta") or {}).get("content"):
                parts.append(said)
                ttft_s = ttft_s or time.monotonic() - began
    return "".join(parts), ttft_s, final


def _object(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
