"""Which beginnings of prompts the servers still have: a guess, from what was sent there.

One index for all deployments, each with its own model of what its server forgets. What a server
reports of its cache corrects how much of it is believed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from math import exp
from typing import TypeVar

from situs.core.fleet import CacheFacts, Deployment, PrefixCache
from situs.core.record import End, Measured
from situs.core.request import Blocks, Request
from situs.fleet.caches import Kept, Latest, Slots
from situs.fleet.hearsay import Hearsay, key_of
from situs.placement.prefix import FADING_S, blocks_of

K = TypeVar("K")
V = TypeVar("V")

MOST = 100_000
"""Blocks that are kept of all deployments together; each has an equal share at most."""

TOKENS = 250_000
"""What a server is taken to keep, where nothing is said; it is learned from what it reports."""

_WAITING = 1024
_SENT = 10_000
_BYTES_PER_TOKEN, _MOST_BYTES = 4.0, 16.0
_SLOWLY = 0.1
_TAIL_TOKENS = 64
_LONGEST_S = 50 * FADING_S


class Place:
    """One deployment's part of the index. `read` are tokens, growing as others fade.

    `bit` is its own in the sets of those that have a block; `said` is what its server says.
    """

    def __init__(self, deployment: Deployment, bit: int, most: int, said: CacheFacts) -> None:
        self.deployment = deployment
        self.bit = bit
        self.bytes_per_token = _BYTES_PER_TOKEN
        self.reports = False
        self.read = 0.0
        self.said = said
        self._most = most
        self.kept = self._empty()

    def _empty(self) -> Kept:
        """What is configured goes before what the server says."""
        own, said = self.deployment.cache, self.said.cache
        slots, tokens = (own.slots, own.tokens) if _is_said(own) else (said.slots, said.tokens)
        if slots is not None:
            return Slots(slots, self._most)
        if tokens is None:
            return Latest(TOKENS * self.bytes_per_token, self._most)
        room = tokens * self.bytes_per_token
        return Latest(room, self._most, room)

    def forget(self) -> None:
        self.kept = self._empty()

    def tokens(self, size: int) -> int:
        return int(size / self.bytes_per_token)

    def told(self, size: int, believed: int, prompt_tokens: int, cached_tokens: int) -> None:
        """A prompt of `size` bytes, of which so many were `believed` to be there, and the truth.

        Who never reported a cached token may not report any at all, so nothing follows from that.
        """
        if size and prompt_tokens:
            seen = min(max(size / prompt_tokens, 1.0), _MOST_BYTES)
            self.bytes_per_token += _SLOWLY * (seen - self.bytes_per_token)
        self.reports = self.reports or cached_tokens > 0
        if not self.reports or _is_said(self.deployment.cache):
            return
        guess = self.tokens(believed)
        if guess > 2 * cached_tokens + _TAIL_TOKENS:
            self.kept.correct(more=False)
        elif cached_tokens > 2 * guess + _TAIL_TOKENS:
            self.kept.correct(more=True)


class Prefixes:
    """Owns what is believed of all caches. `clock` is in seconds and never goes back.

    Each process has its own, of what it sent itself and what it hears of others.
    """

    def __init__(
        self,
        deployments: Sequence[Deployment],
        clock: Callable[[], float],
        hearsay: Hearsay | None = None,
    ) -> None:
        self._clock = clock
        self._hearsay = hearsay
        self._places: dict[str, Place] = {}
        self._where: dict[bytes, int] = {}
        self._said: Mapping[str, CacheFacts] = {}
        self._since = clock()
        self._waiting: OrderedDict[str, tuple[Blocks, dict[int, int]]] = OrderedDict()
        self._sent: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self.load(deployments)

    def load(self, deployments: Sequence[Deployment]) -> None:
        """Another fleet from now on; the same model at the same node keeps what it has."""
        before = self._places
        kept = {
            one.name: before[one.name]
            for one in deployments
            if one.name in before and _same(before[one.name].deployment, one)
        }
        for name, place in before.items():
            if name not in kept:
                self._forget(place)
        taken = {place.bit for place in kept.values()}
        free = (bit for bit in count() if bit not in taken)
        most = max(1, MOST // max(1, len(deployments)))
        self._places = {
            one.name: kept.get(one.name) or Place(one, next(free), most, self._facts(one.name))
            for one in deployments
        }
        self._waiting.clear()
        self._names = {place.bit: name for name, place in self._places.items()}
        self._keys = {key_of(name): place for name, place in self._places.items()}

    def said(self, facts: Mapping[str, CacheFacts]) -> None:
        """What servers say of their caches; who has another now, or began anew, has nothing."""
        self._said = facts
        for name, place in self._places.items():
            if place.said != (said := self._facts(name)):
                place.said = said
                self._forget(place)

    def warm(self, request: Request, blocks: Blocks | None = None) -> dict[str, int]:
        """The prompt tokens that each deployment is likely to have, where any.

        `blocks` are those of a long prompt, which were made aside.
        """
        if self._hearsay is not None:
            for key, told in self._hearsay.heard():
                if (place := self._keys.get(key)) is not None:
                    self._reads(place, told, self._there(told, 1 << place.bit))
        found = {}
        for bit, matched in self._known(request, blocks)[1].items():
            name = self._names[bit]
            if tokens := self._places[name].tokens(matched):
                found[name] = tokens
        return found

    def read(self) -> dict[str, int]:
        """The prompt tokens that deployments had to read lately, fading; where any."""
        faded = 1.0 / self._grown()
        return {
            name: round(tokens)
            for name, place in self._places.items()
            if (tokens := place.read * faded) >= 1.0
        }

    def sent(self, deployment: str, request: Request) -> None:
        """It is going there; what was believed of it when it was placed is what is corrected.

        What came counts, not what is sent: obligations make the same of the same beginning, and
        where a request goes must be known before it is known what is owed there.
        """
        place = self._places.get(deployment)
        if place is None:
            return
        blocks, matched = self._known(request)
        believed = matched.get(place.bit, 0)
        self._reads(place, blocks, believed, request.id)
        _put(self._sent, (request.id, deployment), (blocks.size, believed), _SENT)
        if self._hearsay is not None:
            self._hearsay.tell(deployment, blocks)

    def ended(self, deployment: str, request: str, end: End, measured: Measured | None) -> None:
        """Who cannot be reached may have been started anew, with nothing; what is told corrects."""
        place = self._places.get(deployment)
        if place is None:
            return
        if end is End.UNREACHABLE:
            self._forget(place)
        place.kept.free(request)
        size, believed = self._sent.pop((request, deployment), (0, 0))
        if measured is not None and measured.usage is not None:
            usage = measured.usage
            place.told(size, believed, usage.prompt_tokens, usage.cached_prompt_tokens)

    def _facts(self, name: str) -> CacheFacts:
        return self._said.get(name) or CacheFacts()

    def _known(
        self, request: Request, blocks: Blocks | None = None
    ) -> tuple[Blocks, dict[int, int]]:
        """Its blocks, and the bytes of its beginning that each has, as it was when it came."""
        known = self._waiting.get(request.id)
        if known is None:
            blocks = blocks_of(request) if blocks is None else blocks
            known = blocks, self._matched(blocks)
            _put(self._waiting, request.id, known, _WAITING)
        return known

    def _reads(
        self, place: Place, blocks: Blocks, believed: int, request: str | None = None
    ) -> None:
        """It reads all of it but the bytes that are believed to be there."""
        place.read += (blocks.size - believed) / place.bytes_per_token * self._grown()
        own, where = 1 << place.bit, self._where
        new, gone = place.kept.put(blocks, request)
        for block in new:
            where[block] = where.get(block, 0) | own
        if gone:
            self._drop(gone, own)

    def _grown(self) -> float:
        """What a token that is read now counts, so that all that were read before count less."""
        now = self._clock()
        if now - self._since > _LONGEST_S:
            faded = exp((self._since - now) / FADING_S)
            for place in self._places.values():
                place.read *= faded
            self._since = now
        return exp((now - self._since) / FADING_S)

    def _there(self, blocks: Blocks, own: int) -> int:
        """The bytes of the beginning that one has."""
        size, where = 0, self._where
        for block, end in zip(blocks.hashes, blocks.ends, strict=True):
            if not where.get(block, 0) & own:
                break
            size = end
        return size

    def _matched(self, blocks: Blocks) -> dict[int, int]:
        """The bytes of the beginning that each has, by its bit."""
        found: dict[int, int] = {}
        size, among, where = 0, -1, self._where
        for block, end in zip(blocks.hashes, blocks.ends, strict=True):
            left = where.get(block, 0) & among
            if left != among:
                _note(found, among & ~left if size else 0, size)
                among = left
                if not among:
                    return found
            size = end
        if size:
            _note(found, among, size)
        return found

    def _forget(self, place: Place) -> None:
        place.forget()
        own = 1 << place.bit
        self._drop([block for block, there in self._where.items() if there & own], own)

    def _drop(self, blocks: Sequence[bytes], own: int) -> None:
        for block in blocks:
            left = self._where.get(block, 0) & ~own
            if left:
                self._where[block] = left
            else:
                self._where.pop(block, None)


def _note(found: dict[int, int], bits: int, size: int) -> None:
    while bits > 0:
        least = bits & -bits
        found[least.bit_length() - 1] = size
        bits ^= least


def _put(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)


def _is_said(cache: PrefixCache) -> bool:
    return cache.slots is not None or cache.tokens is not None


def _same(one: Deployment, other: Deployment) -> bool:
    return (one.node, one.model.name, one.cache) == (other.node, other.model.name, other.cache)
