"""What can be seen in an answer of how far it is to be trusted; what it is worth is learned."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import exp, log, log1p
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from situs.core.request import Request

TOP = 5
"""So many alternatives of each token are asked for."""

NAMES = (
    "mean", "least", "begin", "end", "unsure", "most_unsure", "length", "refusal", "repeated",
    "cut", "dissent",
)  # fmt: skip
"""The signals, in order. Of log-probabilities: the mean, the least, the mean of the first tokens,
the least of the last line; the mean and the greatest entropy; then the length, whether it reads
like a refusal, the share that is repeated, whether it was cut, how many other answers differ."""

_FLOOR = -12.0
_BEGIN = 8
_GRAM = 4
_DEEPEST = 32

_REFUSALS = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:can(?:'t|not)|won't|do not|don't) (?:help|"
    r"assist|provide|answer|know|have (?:access|enough|the))|as an ai|unfortunately, i|es tut mir "
    r"leid|ich kann (?:dir|ihnen|das|diese|leider|nicht)|leider (?:kann|darf) ich|je (?:suis "
    r"désolée?|ne (?:peux|sais|puis))|désolée?, (?:je|mais)|lo siento|no puedo|no sé|mi dispiace|"
    r"non (?:posso|so)\b|desculpe|não (?:posso|sei)|het spijt me|ik kan (?:je |u |dat )?niet)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S+\s*")


class Token(NamedTuple):
    """One token of an answer, and the log-probabilities of the likeliest in its place."""

    text: str
    logprob: float
    others: tuple[float, ...] = ()


class Said(Struct, frozen=True):
    """One choice of an answer, as far as it is here: over if it has a `finish` reason.

    `tokens` is empty where no log-probabilities came. `calls` are names and arguments of tools.
    `agree` is the share of the other answers to the same request that say the same.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    finish: str | None = None
    declined: bool = False
    agree: float = 1.0


class Wanted(Struct, frozen=True):
    """The form that a request asks for: a JSON object, maybe to a schema; the tools that exist."""

    json: bool = False
    schema: Any = None
    tools: dict[str, Any] = {}


def wanted_of(request: Request) -> Wanted:
    return wanted_in(request.document)


def wanted_in(document: dict[str, Any]) -> Wanted:
    """As the wire says it; what is not understood is not checked."""
    form = _dict(document.get("response_format"))
    kind = form.get("type")
    tools = {}
    for tool in document.get("tools") or ():
        function = _dict(_dict(tool).get("function"))
        tools[str(function.get("name"))] = function.get("parameters")
    return Wanted(
        kind in ("json_object", "json_schema"), _dict(form.get("json_schema")).get("schema"), tools
    )


def words(text: str) -> int:
    """They stand for tokens where these are not known."""
    return len(_WORD.findall(text))


def length(said: Said) -> int:
    return len(said.tokens) or words(said.text)


def beginning(said: Said, size: int) -> Said:
    """The first `size` tokens, as one sees it who has no more; a shorter answer is all there."""
    if length(said) < size:
        return said
    if said.tokens:
        kept = said.tokens[:size]
        text = "".join(token.text for token in kept)
    else:
        kept, text = (), "".join(_WORD.findall(said.text)[:size])
    return Said(text, kept, said.calls, None, said.declined)


def signals(said: Said, wanted: Wanted) -> tuple[float, ...] | None:
    """By `NAMES`; None for what is no answer: nothing at all, or not in the form asked for."""
    if not well_formed(said, wanted):
        return None
    tokens = said.tokens
    probs = [max(_FLOOR, token.logprob) for token in tokens]
    entropies = [entropy(token.others) for token in tokens]
    return (
        _mean(probs),
        min(probs, default=0.0),
        _mean(probs[:_BEGIN]),
        min(_last_line(tokens, probs), default=0.0),
        _mean(entropies),
        max(entropies, default=0.0),
        log1p(length(said)),
        1.0 if said.declined or _REFUSALS.search(said.text[:300]) else 0.0,
        repeated(said.text),
        1.0 if said.finish == "length" else 0.0,
        1.0 - said.agree,
    )


def well_formed(said: Said, wanted: Wanted) -> bool:
    """Whether there is something, in the form asked for; of what is not over, nothing is known."""
    if said.finish is None:
        return True
    if not said.text.strip() and not said.calls and not said.declined:
        return False
    if any(not _called(name, arguments, wanted.tools) for name, arguments in said.calls):
        return False
    if not wanted.json or said.calls or said.declined:
        return True
    value = _parsed(said.text)
    return value is not None and (wanted.schema is None or fits(value, wanted.schema))


def entropy(others: Sequence[float]) -> float:
    """In nats, over those that are known and, as one more, all the rest."""
    found = [exp(min(0.0, one)) for one in others]
    rest = max(0.0, 1.0 - sum(found)) if found else 0.0
    return -sum(p * log(p) for p in (*found, rest) if p > 0.0)


def repeated(text: str) -> float:
    """The share of runs of four words that were there before."""
    said = text.split()
    grams = [tuple(said[i : i + _GRAM]) for i in range(len(said) - _GRAM + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def fits(value: Any, schema: Any, depth: int = 0) -> bool:
    """Whether a value keeps to the types, members, items and choices that a JSON schema names.

    What else a schema may say is not checked.
    """
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return True
    kinds = schema.get("type")
    if kinds is not None and not any(
        _is(value, kind) for kind in (kinds if isinstance(kinds, list) else [kinds])
    ):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, list):
        return all(fits(one, schema.get("items"), depth + 1) for one in value)
    if not isinstance(value, dict):
        return True
    members = _dict(schema.get("properties"))
    if any(name not in value for name in schema.get("required") or ()):
        return False
    if schema.get("additionalProperties") is False and not members.keys() >= value.keys():
        return False
    return all(fits(value[name], members[name], depth + 1) for name in members if name in value)


def same(one: str) -> str:
    """An answer without what makes no difference: case, white space, what stands around it."""
    final = [line for line in one.strip().splitlines() if line.strip()]
    return re.sub(r"[\W_]+", " ", final[-1].casefold()).strip() if final else ""


def agreeing(answers: Sequence[Said]) -> Said:
    """The first of several answers to one request, and how many of the others say the same."""
    first, others = answers[0], answers[1:]
    if not others:
        return first
    alike = sum(_key(one) == _key(first) for one in others)
    return replace(first, agree=alike / len(others))


def _key(said: Said) -> tuple[Any, ...]:
    return same(said.text), [(name, _parsed(held) or held) for name, held in said.calls]


_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def _is(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return bool(kind == "boolean")
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    return known is None or isinstance(value, known)


def _called(name: str, arguments: str, tools: dict[str, Any]) -> bool:
    value = _parsed(arguments) if arguments.strip() else {}
    return isinstance(value, dict) and name in tools and fits(value, tools[name])


def _last_line(tokens: Sequence[Token], probs: Sequence[float]) -> Sequence[float]:
    """Of the last line that says anything, the log-probabilities."""
    start, fresh = 0, False
    for at, token in enumerate(tokens):
        if fresh and token.text.strip():
            start, fresh = at, False
        fresh = fresh or "\n" in token.text
    return probs[start:]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
