"""What the fake model says, as the documents of OpenAI's three wires.

Chat and completions are echoed, within `stop`, `max_tokens`, `n` and a JSON schema; a request with
tools is answered by calling them, a tool's result by words; embeddings come from a digest of the
input. Words stand for tokens, and every word has the same log-probability.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import struct
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
PATHS = (CHAT, COMPLETIONS, EMBEDDINGS)
LOGPROB = -0.25

Document = dict[str, Any]


class Speaker(Struct, frozen=True):
    """`content` is said to everything; `piece_chars` cuts a stream, which is else cut by words."""

    name: str
    model: str
    content: str | None = None
    piece_chars: int | None = None


class Said(Struct, frozen=True):
    """One choice: a text, or calls of tools."""

    text: str
    calls: list[Document] = []
    finish: str = "stop"


def whole(path: str, document: Document, speaker: Speaker) -> Document:
    """The answer of a request that is not streamed."""
    if path == EMBEDDINGS:
        return _embeddings(document, speaker)
    said = _said(path, document, speaker)
    choices = [
        {
            "index": index,
            **_full(path, one, document),
            "finish_reason": one.finish,
        }
        for index, one in enumerate(said)
    ]
    return {**_head(path, document, speaker), "choices": choices, "usage": _usage(document, said)}


def events(path: str, document: Document, speaker: Speaker) -> list[Document]:
    """The events of a stream up to the finish reasons: the choices' pieces in turns."""
    said = _said(path, document, speaker)
    head = _head(path, document, speaker, stream=True)
    pieces = [_pieces(path, one, document, speaker) for one in said]
    found = [
        {**head, "choices": [{"index": index, **piece, "finish_reason": None}]}
        for turn in itertools.zip_longest(*pieces)
        for index, piece in enumerate(turn)
        if piece is not None
    ]
    nothing: Document = {"delta": {}} if path == CHAT else {"text": ""}
    return found + [
        {**head, "choices": [{"index": index, **nothing, "finish_reason": one.finish}]}
        for index, one in enumerate(said)
    ]


def usage_event(path: str, document: Document, speaker: Speaker) -> Document:
    said = _said(path, document, speaker)
    head = _head(path, document, speaker, stream=True)
    return {**head, "choices": [], "usage": _usage(document, said)}


def split(content: str, size: int | None) -> Iterator[str]:
    if size is not None:
        yield from (content[i : i + size] for i in range(0, len(content), size))
        return
    words = content.split(" ")
    yield words[0]
    yield from (" " + word for word in words[1:])


def _head(path: str, document: Document, speaker: Speaker, *, stream: bool = False) -> Document:
    chat = "chat.completion.chunk" if stream else "chat.completion"
    return {
        "id": f"{'chatcmpl' if path == CHAT else 'cmpl'}-{speaker.name}",
        "object": chat if path == CHAT else "text_completion",
        "created": 1,
        "model": speaker.model,
        "system_fingerprint": f"fp_{document.get('seed')}",
    }


def _usage(document: Document, said: list[Said]) -> Document:
    asked = [message.get("content") for message in document.get("messages", [])]
    prompt = sum(len(json.dumps(one).split()) for one in asked or [document.get("prompt")])
    best = max(1, (document.get("best_of") or 1) // (document.get("n") or 1))
    answer = best * sum(len(f"{one.text} {json.dumps(one.calls)[1:-1]}".split()) for one in said)
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


# What is said


def _said(path: str, document: Document, speaker: Speaker) -> list[Said]:
    n = document.get("n") or 1
    if path == CHAT:
        return [_answer(document, speaker)] * n
    return [
        _completed(prompt, document, speaker) for prompt in _prompts(document) for _ in range(n)
    ]


def _completed(prompt: str, document: Document, speaker: Speaker) -> Said:
    said = _within(_heard(speaker, prompt + (document.get("suffix") or "")), document)
    return Said(prompt + said.text, finish=said.finish) if document.get("echo") else said


def _answer(document: Document, speaker: Speaker) -> Said:
    prompt = _asked(document)
    tools = document.get("tools") or []
    last = document.get("messages", [{}])[-1]
    if tools and last.get("role") != "tool" and document.get("tool_choice") != "none":
        calls = [_call(index, tool, prompt) for index, tool in enumerate(_chosen(document, tools))]
        return Said("", calls, "tool_calls")
    wanted = document.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        shape = wanted["json_schema"]["schema"]
        return Said(json.dumps(_instance(shape, shape, prompt), ensure_ascii=False))
    return _within(_heard(speaker, prompt), document)


def _heard(speaker: Speaker, prompt: str) -> str:
    return f"{speaker.name} heard: {prompt}" if speaker.content is None else speaker.content


def _within(text: str, document: Document) -> Said:
    """Up to the first stop word and the limit of words."""
    stop = document.get("stop") or []
    for word in [stop] if isinstance(stop, str) else stop:
        text = text.partition(word)[0]
    most = document.get("max_completion_tokens", document.get("max_tokens"))
    words = text.split(" ")
    if most is None or len(words) <= most:
        return Said(text)
    return Said(" ".join(words[:most]), finish="length")


def _asked(document: Document) -> str:
    """The text of the last message of the user or of a tool."""
    for message in reversed(document.get("messages", [])):
        if message.get("role") in ("user", "tool"):
            content = message.get("content")
            if isinstance(content, str):
                return content
            return " ".join(p.get("text", "") for p in content or [] if isinstance(p, dict))
    return ""


def _prompts(document: Document) -> list[str]:
    prompt = document["prompt"]
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt[0], int):
        return [f"{len(prompt)} ids"]
    return [one if isinstance(one, str) else f"{len(one)} ids" for one in prompt]


def _chosen(document: Document, tools: list[Document]) -> list[Document]:
    """The one that was named, the first where one is allowed, else all."""
    choice = document.get("tool_choice")
    if isinstance(choice, dict):
        return [tool for tool in tools if tool["function"]["name"] == choice["function"]["name"]]
    return tools[:1] if document.get("parallel_tool_calls") is False else tools


def _call(index: int, tool: Document, prompt: str) -> Document:
    shape = tool["function"].get("parameters") or {}
    arguments = json.dumps(_instance(shape, shape, prompt), ensure_ascii=False)
    function = {"name": tool["function"]["name"], "arguments": arguments}
    return {"id": f"call_{index}", "type": "function", "function": function}


def _instance(shape: Document, root: Document, text: str) -> Any:
    """The least that answers to a JSON schema; strings are `text`."""
    if "$ref" in shape:
        return _instance(root["$defs"][shape["$ref"].rpartition("/")[2]], root, text)
    if "const" in shape:
        return shape["const"]
    if "enum" in shape:
        return shape["enum"][0]
    match shape.get("type", "object"):
        case "string":
            return text
        case "integer" | "number":
            return shape.get("minimum", 1)
        case "boolean":
            return True
        case "array":
            return [_instance(shape.get("items", {"type": "null"}), root, text)]
        case "null":
            return None
    return {key: _instance(one, root, text) for key, one in shape.get("properties", {}).items()}


# How it is written


def _full(path: str, said: Said, document: Document) -> Document:
    words = list(split(said.text, None))
    if path == COMPLETIONS:
        return {"text": said.text, "logprobs": _old_logprobs(words, document)}
    message: Document = {"role": "assistant", "content": said.text or None}
    if said.calls:
        message["tool_calls"] = said.calls
    return {"message": message, "logprobs": _logprobs(words, document)}


def _pieces(path: str, said: Said, document: Document, speaker: Speaker) -> list[Document]:
    texts = list(split(said.text, speaker.piece_chars)) if said.text else []
    if path == COMPLETIONS:
        return [{"text": text, "logprobs": _old_logprobs([text], document)} for text in texts]
    deltas: list[Document] = [{"delta": {"role": "assistant", "content": ""}}]
    deltas += [
        {"delta": {"content": text}, "logprobs": _logprobs([text], document)} for text in texts
    ]
    for index, call in enumerate(said.calls):
        arguments = call["function"]["arguments"]
        begun = {"index": index, **call, "function": {**call["function"], "arguments": ""}}
        deltas.append({"delta": {"tool_calls": [begun]}})
        deltas += [
            {"delta": {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}}
            for piece in split(arguments, speaker.piece_chars or 5)
        ]
    return deltas


def _logprobs(words: list[str], document: Document) -> Document | None:
    if not document.get("logprobs"):
        return None
    top, logprob = range(document.get("top_logprobs") or 0), document.get("_logprob", LOGPROB)
    content = [
        {
            **_word(word, logprob),
            "top_logprobs": [_word(f"{word}{rank or ''}", logprob) for rank in top],
        }
        for word in words
    ]
    return {"content": content, "refusal": None}


def _word(word: str, logprob: float) -> Document:
    return {"token": word, "logprob": logprob, "bytes": list(word.encode())}


def _old_logprobs(words: list[str], document: Document) -> Document | None:
    """The form of the completions wire."""
    if document.get("logprobs") is None:
        return None
    return {
        "tokens": words,
        "token_logprobs": [document.get("_logprob", LOGPROB)] * len(words),
        "top_logprobs": [{word: document.get("_logprob", LOGPROB)} for word in words],
        "text_offset": [0, *itertools.accumulate(map(len, words))][:-1],
    }


def _embeddings(document: Document, speaker: Speaker) -> Document:
    inputs = document["input"]
    if isinstance(inputs, str) or isinstance(inputs[0], int):
        inputs = [inputs]
    size = min(document.get("dimensions") or 8, 4096)
    base = document.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(one, size, base=base)}
        for index, one in enumerate(inputs)
    ]
    tokens = sum(len(one.split()) if isinstance(one, str) else len(one) for one in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": speaker.model, "usage": usage}


def _vector(one: Any, size: int, *, base: bool) -> list[float] | str:
    digest = hashlib.sha256(json.dumps(one).encode()).digest()
    values = [digest[place % 32] / 256 for place in range(size)]
    return base64.b64encode(struct.pack(f"<{size}f", *values)).decode() if base else values
