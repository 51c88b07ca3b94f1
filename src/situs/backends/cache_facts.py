"""Asks a model server what it keeps of prompts, where it can tell: llama.cpp, vLLM.

llama.cpp: `GET /props` (`total_slots`, and a `media_marker` that is another after every start) and
`GET /slots` (`id_task`, which only grows while it runs). vLLM: `GET /metrics`, the labels of
`vllm:cache_config_info` and the counter `vllm:prompt_tokens_total`.

It is the server's word: what is too long, or a number that cannot be, says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from situs.backends.openai_compatible import Endpoint, Origin, Origins
from situs.core.fleet import PrefixCache

_MOST = 64 * 1024
_MOST_METRICS = 512 * 1024
"""vLLM writes about 50 KB for each engine behind an address."""
_LINE = 4096
_WAIT_S = 10.0
_INFO = "vllm:cache_config_info"
_READ = "vllm:prompt_tokens_total"
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,20})?(?:e\+?[0-9]{1,2})?")
_COUNT = re.compile(r"[0-9]{1,15}")
_TOKENS = 10**12
_READ_TOKENS = 1e15

_Slots = Annotated[int, Meta(ge=1, le=65_536)]
_Context = Annotated[int, Meta(ge=1, le=10**9)]
_Task = Annotated[int, Meta(ge=-1, le=10**15)]

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Said(Struct, frozen=True):
    """What a server says of its cache. `context_tokens` is what one request can use.

    It began anew if `start` is another, or `count` less, than before.
    """

    cache: PrefixCache
    context_tokens: int | None = None
    start: str = ""
    count: float = 0.0

    def began_anew(self, before: Said) -> bool:
        return self.start != before.start or self.count < before.count


async def read_cache(origins: Origins, endpoint: Endpoint) -> Said | None:
    """None where it does not say. Raises BackendUnavailable where it cannot be asked."""
    base = endpoint.base_url()
    if base is None:
        return None
    origin, key = origins.origin(base), endpoint.key()
    props = await _get(origin, key, "/props")
    if props is not None and (said := said_by_llama_cpp(props)) is not None:
        slots = await _get(origin, key, "/slots")
        return said if slots is None else msgspec.structs.replace(said, count=_last_task(slots))
    metrics = await _get(origin, key, "/metrics", _MOST_METRICS)
    return None if metrics is None else said_by_vllm(metrics.decode(errors="replace"))


class _Settings(Struct, frozen=True):
    n_ctx: _Context


class _Props(Struct, frozen=True):
    total_slots: _Slots
    default_generation_settings: _Settings
    media_marker: str = ""


class _Slot(Struct, frozen=True):
    id_task: _Task = -1


def said_by_llama_cpp(props: bytes) -> Said | None:
    """What /props says; None where it is none of llama.cpp, or says what cannot be."""
    try:
        found = msgspec.json.decode(props, type=_Props)
    except _UNREADABLE:
        return None
    context = found.default_generation_settings.n_ctx
    return Said(PrefixCache(slots=found.total_slots), context, found.media_marker)


def _last_task(slots: bytes) -> float:
    try:
        return max((one.id_task for one in msgspec.json.decode(slots, type=list[_Slot])), default=0)
    except _UNREADABLE:
        return 0.0


def said_by_vllm(metrics: str) -> Said | None:
    """Of several engines behind one address, the caches of all.

    What is not said there is written `None`; with prefix caching off, nothing is kept.
    """
    sizes = [_tokens(labels) for labels, _ in _samples(metrics, _INFO)]
    tokens = sum(size or 0 for size in sizes)
    if not sizes or None in sizes or tokens > _TOKENS:
        return None
    read = [float(text) for _, text in _samples(metrics, _READ) if _NUMBER.fullmatch(text)]
    return Said(PrefixCache(tokens=tokens), count=min(sum(read), _READ_TOKENS))


def _samples(metrics: str, name: str) -> Iterator[tuple[dict[str, str], str]]:
    """Labels and value, line by line; of a line that is too long there are none."""
    for line in metrics.split("\n"):
        rest = line[len(name) :]
        if not line.startswith(name) or rest[:1] not in ("{", " "):
            continue
        labels, _, value = rest[:_LINE].rpartition(" ")
        if len(rest) > _LINE:
            yield {}, ""
        else:
            yield _labels(labels), value


def _labels(text: str) -> dict[str, str]:
    pairs = [one.partition('="') for one in text.strip("{}").split('",')]
    return {name: value.removesuffix('"') for name, _, value in pairs}


def _tokens(labels: Mapping[str, str]) -> int | None:
    if labels.get("enable_prefix_caching") == "False":
        return 0
    whole = _count(labels, "kv_cache_size_tokens")
    if whole is None:
        blocks, size = _count(labels, "num_gpu_blocks"), _count(labels, "block_size")
        whole = None if blocks is None or size is None else blocks * size
    return whole if whole is not None and 1 <= whole <= _TOKENS else None


def _count(labels: Mapping[str, str], name: str) -> int | None:
    text = labels.get(name, "")
    return int(text) if _COUNT.fullmatch(text) else None


async def _get(origin: Origin, key: str | None, path: str, most: int = _MOST) -> bytes | None:
    """The body of a 200 answer; None for any other, and for a longer one. On a connection of its
    own.
    """
    root = origin.path.removesuffix("/v1")
    authorization = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"GET {root}{path} HTTP/1.1\r\nhost: {origin.host}\r\n{authorization}"
    connection = await origin.pool.take(_WAIT_S, fresh=True)
    try:
        whole = f"{head}accept-encoding: identity\r\nconnection: close\r\n\r\n"
        await connection.send(whole.encode("ascii"), b"", _WAIT_S)
        body = bytearray()
        while data := await connection.read(_WAIT_S):
            body += data
            if len(body) > most:
                return None
        return bytes(body) if connection.status == 200 else None
    finally:
        origin.pool.give(connection)
