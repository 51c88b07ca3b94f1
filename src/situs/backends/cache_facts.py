"""Asks a model server what it keeps of prompts, where it can tell: llama.cpp, vLLM.

llama.cpp: `GET /props` (`total_slots`, and a `media_marker` that is another after every start) and
`GET /slots` (`id_task`, which only grows while it runs). vLLM: `GET /metrics`, the labels of
`vllm:cache_config_info` and the counter `vllm:prompt_tokens_total`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from situs.backends.openai_compatible import Endpoint, Origin, Origins
from situs.core.fleet import PrefixCache
from situs.core.record import End
from situs.errors import BackendUnavailable

_MOST = 4 * 1024 * 1024
_WAIT_S = 10.0
_INFO = re.compile(r"^vllm:cache_config_info\{(.*)\} ", re.MULTILINE)
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e\+?[0-9]+)?"
_READ = re.compile(rf"^vllm:prompt_tokens_total(?:\{{.*\}})? ({_NUMBER})$", re.MULTILINE)
_COUNT = re.compile(r"[0-9]{1,15}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


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
    metrics = await _get(origin, key, "/metrics")
    return None if metrics is None else said_by_vllm(metrics.decode(errors="replace"))


class _Settings(Struct, frozen=True):
    n_ctx: int


class _Props(Struct, frozen=True):
    total_slots: int
    default_generation_settings: _Settings
    media_marker: str = ""


class _Slot(Struct, frozen=True):
    id_task: int = -1


def said_by_llama_cpp(props: bytes) -> Said | None:
    """What /props says; None where it is none of llama.cpp."""
    try:
        found = msgspec.json.decode(props, type=_Props)
    except msgspec.DecodeError:
        return None
    if found.total_slots < 1:
        return None
    context = found.default_generation_settings.n_ctx
    return Said(PrefixCache(slots=found.total_slots), context, found.media_marker)


def _last_task(slots: bytes) -> float:
    try:
        return max((one.id_task for one in msgspec.json.decode(slots, type=list[_Slot])), default=0)
    except msgspec.DecodeError:
        return 0.0


def said_by_vllm(metrics: str) -> Said | None:
    """Of several engines behind one address, the caches of all.

    What is not said there is written `None`; with prefix caching off, nothing is kept.
    """
    sizes = [_tokens(dict(_LABEL.findall(labels))) for labels in _INFO.findall(metrics)]
    if not sizes or None in sizes:
        return None
    read = sum(float(value) for value in _READ.findall(metrics))
    return Said(PrefixCache(tokens=sum(size or 0 for size in sizes)), count=read)


def _tokens(labels: Mapping[str, str]) -> int | None:
    if labels.get("enable_prefix_caching") == "False":
        return 0
    if (whole := _count(labels, "kv_cache_size_tokens")) is not None:
        return whole
    blocks, size = _count(labels, "num_gpu_blocks"), _count(labels, "block_size")
    return None if blocks is None or size is None else blocks * size


def _count(labels: Mapping[str, str], name: str) -> int | None:
    text = labels.get(name, "")
    return int(text) if _COUNT.fullmatch(text) else None


async def _get(origin: Origin, key: str | None, path: str) -> bytes | None:
    """The body of a 200 answer; None for any other. On a connection of its own."""
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
            if len(body) > _MOST:
                raise BackendUnavailable("The answer is too large.", reason=End.GARBAGE)
        return bytes(body) if connection.status == 200 else None
    finally:
        origin.pool.give(connection)
