"""What servers need not read again: blocks of a prompt's beginning, and where it is best read.

A server that has read a prompt keeps what it made of it, and a prompt with the same beginning goes
on from there. See docs/explanation/prefix-affinity.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate, chain, repeat
from operator import mul
from typing import Any, Final

import msgspec

from situs.core.request import Blocks, Request, Service

BOUND: Final = 1.5
"""A place that would have had to read more than so many times the mean is beyond the bound: what it
has in its cache does not count."""

FADING_S: Final = 120.0
"""What a place had to read counts less by a factor e with every such time."""

FREE_S: Final = 0.25 * FADING_S
"""A place that reads for less than a quarter of the time is not busy, whatever the others do.

For a prompt of which little is cached, it is so sooner: by the square of the share.
"""

_LEAST: Final = 0.02
"""A lesser share of the prompt is not worth going anywhere for."""

STEPS: Final = tuple(
    chain.from_iterable(repeat(size, 64) for size in (128, 512, 2048, 8192, 32768))
)
"""The bytes of each block."""

ENDS: Final = tuple(accumulate(STEPS))
"""Where each ends."""

_LONGEST: Final = 4_000_000
"""Bytes of a request that is looked at; beyond that, reading it would hold others up."""

_encode = msgspec.json.Encoder().encode


NO_BLOCKS: Final = Blocks()


def blocks_of(request: Request) -> Blocks:
    """The blocks of what a server would read: tools, then messages, in their order.

    Each hash takes in the one before, and the tenant: what another tenant sent is never the same.
    Blocks grow with their distance from the beginning, so that there are 320 at most (2.8 MB).
    Where the request is long, let another thread do it.
    A request of more than 4 MB has none.
    """
    data = b"" if request.size > _LONGEST else _read(request)
    if not data:
        return NO_BLOCKS
    ends = ENDS[: bisect_right(ENDS, len(data))]
    hashes, start = [], 0
    last = blake2b(request.principal.tenant.encode(), digest_size=8).digest()
    for end in ends:
        last = blake2b(data[start:end], digest_size=8, salt=last).digest()
        hashes.append(last)
        start = end
    return Blocks(tuple(hashes), ends, len(data))


def _read(request: Request) -> bytes:
    """As it came: templates of models differ, but each makes the same of the same beginning."""
    document: Mapping[str, Any] = request.document
    service = request.wire.service
    if service is Service.CHAT:
        first = [document[name] for name in ("tools", "functions") if document.get(name)]
        return b"".join([_encode(part) for part in (*first, *document["messages"])])
    if service is Service.COMPLETIONS:
        prompt = document.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
            prompt = prompt[0]
        if isinstance(prompt, str):
            return prompt.encode(errors="surrogatepass")
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
            return _encode(prompt)
    return b""


def affinity(
    prompt: Sequence[int], cached: Sequence[int], prompt_s: Sequence[float], read: Sequence[float]
) -> list[float]:
    """How well each place suits a prompt; 1 for the best. Tokens, seconds a token, tokens.

    `read` is what each had to read lately, fading; with what this prompt would add to it, a place
    that is `beyond` the bound is passed over.

    1. Where more of it is cached than everywhere: the share of the prompt that is.
    2. Where that is nowhere so: the least to read, lately and now, over this one's.
    """
    shares = [there / max(1, whole) for whole, there in zip(prompt, cached, strict=True)]
    common = min(shares) + _LEAST
    if max(shares) > common:
        held = [share if share > common else 0.0 for share in shares]
        for k in beyond(prompt, cached, prompt_s, read):
            held[k] = 0.0
        if best := max(held):
            return [share / best for share in held]
    if max(read) <= 0.0:
        return [1.0] * len(prompt)
    busy = [
        (was + (whole - there)) * s
        for was, whole, there, s in zip(read, prompt, cached, prompt_s, strict=True)
    ]
    least = min(busy)
    return [least / one if one > least else 1.0 for one in busy]


def beyond(
    prompt: Sequence[int], cached: Sequence[int], prompt_s: Sequence[float], read: Sequence[float]
) -> list[int]:
    """Which places have some of it, and too much to read for that to count.

    That is more than `BOUND` times the mean, and more than their part of `FREE_S`.
    """
    if not any(cached):
        return []
    before, own = sum(map(mul, read, prompt_s)), max(map(mul, prompt, prompt_s))
    most = BOUND * (before + own) / len(prompt)
    return [
        k
        for k, there in enumerate(cached)
        if there
        and (busy := (read[k] + (prompt[k] - there)) * prompt_s[k]) > most
        and busy > (there / max(1, prompt[k])) ** 2 * FREE_S
    ]
