"""Which beginnings of prompts the servers still have: a guess, from what was sent there.

One index for all deployments, each with its own model of what its server forgets. What a server
reports of its cache corrects how much of it is believed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from itertools import count
from math import exp
from typing import Protocol, TypeVar

from situs.core.fleet import Deployment
from situs.core.record import End, Measured
from situs.core.request import Request
from situs.fleet.hearsay import Hearsay, key_of
from situs.placement.prefix import FADING_S, Blocks, blocks_of

K = TypeVar("K")
V = TypeVar("V")

MOST = 100_000
"""Blocks that are kept of all deployments together; each has an equal share at most."""

TOKENS = 250_000
"""What a server is taken to keep, where nothing is said; it is learned from what it reports."""

_WAITING = 1024
_SENT = 10_000
_BYTES_PER_TOKEN, _MOST_BYTES = 4.0, 16.0
_LEAST_ROOM = 8_000.0
_GREATEST_ROOM = 1e10
_TOLD_MORE, _TOLD_LESS = 1.05, 0.9
_SLOWLY = 0.1
_TAIL_TOKENS = 64


class Kept(Protocol):
    """What one server has."""

    def put(self, blocks: Blocks, request: str | None) -> list[bytes]:
        """It reads this now; what it forgets for it. Without a `request` nobody says when it is
        over."""

    def free(self, request: str) -> None:
        """That is over."""


class Latest:
    """Blocks of all prompts in one store: those that were used longest ago go first.

    Of one prompt the end goes before the beginning. So vLLM and others do it.
    """

    def __init__(self, room: float, most: int) -> None:
        """`room` is in bytes of prompts, `most` in blocks."""
        self.room = room
        self._most = most
        self._blocks: OrderedDict[bytes, int] = OrderedDict()
        self._bytes = 0

    def put(self, blocks: Blocks, request: str | None) -> list[bytes]:
        kept = self._blocks
        for k in range(len(blocks.hashes) - 1, -1, -1):
            block, size = blocks.hashes[k], blocks.ends[k] - (blocks.ends[k - 1] if k else 0)
            if block not in kept:
                kept[block] = size
                self._bytes += size
            kept.move_to_end(block)
        out = []
        while kept and (self._bytes > self.room or len(kept) > self._most):
            block, size = kept.popitem(last=False)
            self._bytes -= size
            out.append(block)
        return out

    def free(self, request: str) -> None:
        pass


class Slots:
    """So many prompts, each whole: a new one takes the place of that which is most alike.

    Where none is, of that which was used longest ago; but not of one that is being answered. So
    llama.cpp does it: a slot goes on from what it has in common with the prompt, and loses the
    rest.
    """

    ALIKE = 0.1

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._held: OrderedDict[int, tuple[bytes, ...]] = OrderedDict()
        self._count: Counter[bytes] = Counter()
        self._busy: dict[int, str] = {}

    def free(self, request: str) -> None:
        for slot in [slot for slot, asked in self._busy.items() if asked == request]:
            del self._busy[slot]

    def put(self, blocks: Blocks, request: str | None) -> list[bytes]:
        new = blocks.hashes
        alike, slot = 0, -1
        idle = [one for one in self._held if one not in self._busy]
        for one in idle:
            common = _common(self._held[one], new)
            if common > alike:
                alike, slot = common, one
        if not alike or blocks.ends[alike - 1] < self.ALIKE * blocks.size:
            full = len(self._held) >= self._slots
            slot = next(iter(idle or self._held)) if full else len(self._held)
        old = self._held.get(slot, ())
        self._held[slot] = new
        self._held.move_to_end(slot)
        if request is not None:
            self._busy[slot] = request
        self._count.update(new)
        self._count.subtract(old)
        out = [block for block in old if self._count[block] <= 0]
        for block in out:
            del self._count[block]
        return out


class Place:
    """One deployment's part of the index. `read` are tokens, fading, as they were at `at`.

    `bit` is its own in the sets of those that have a block.
    """

    def __init__(self, deployment: Deployment, bit: int, most: int) -> None:
        self.deployment = deployment
        self.bit = bit
        self.bytes_per_token = _BYTES_PER_TOKEN
        self.reports = False
        self.read = 0.0
        self.at = 0.0
        self._most = most
        self.kept = self._empty()

    def _empty(self) -> Kept:
        cache = self.deployment.cache
        if cache.slots is not None:
            return Slots(cache.slots)
        tokens = TOKENS if cache.tokens is None else cache.tokens
        return Latest(tokens * self.bytes_per_token, self._most)

    def forget(self) -> None:
        self.kept = self._empty()

    def tokens(self, size: int) -> int:
        return int(size / self.bytes_per_token)

    def reads(self, tokens: float, now: float) -> None:
        self.read, self.at = self.read_by(now) + tokens, now

    def read_by(self, now: float) -> float:
        return self.read * exp((self.at - now) / FADING_S)

    def told(self, size: int, believed: int, prompt_tokens: int, cached_tokens: int) -> None:
        """A prompt of `size` bytes, of which so many were `believed` to be there, and the truth.

        Who never reported a cached token may not report any at all, so nothing follows from that.
        """
        if size and prompt_tokens:
            seen = min(max(size / prompt_tokens, 1.0), _MOST_BYTES)
            self.bytes_per_token += _SLOWLY * (seen - self.bytes_per_token)
        self.reports = self.reports or cached_tokens > 0
        kept, guess = self.kept, self.tokens(believed)
        if not self.reports or not isinstance(kept, Latest):
            return
        if self.deployment.cache.tokens is not None:
            return
        if guess > 2 * cached_tokens + _TAIL_TOKENS:
            kept.room = max(_LEAST_ROOM, kept.room * _TOLD_LESS)
        elif cached_tokens > 2 * guess + _TAIL_TOKENS:
            kept.room = min(_GREATEST_ROOM, kept.room * _TOLD_MORE)


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
        self._waiting: OrderedDict[str, Blocks] = OrderedDict()
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
            one.name: kept.get(one.name) or Place(one, next(free), most) for one in deployments
        }
        self._names = {place.bit: name for name, place in self._places.items()}
        self._keys = {key_of(name): place for name, place in self._places.items()}

    def warm(self, request: Request) -> dict[str, int]:
        """The prompt tokens that each deployment is likely to have, where any."""
        if self._hearsay is not None:
            for key, told in self._hearsay.heard():
                if (place := self._keys.get(key)) is not None:
                    self._reads(place, told)
        blocks = self._blocks(request)
        found = {}
        for bit, matched in self._matched(blocks).items():
            name = self._names[bit]
            found[name] = self._places[name].tokens(matched)
        return found

    def read(self) -> dict[str, float]:
        """The prompt tokens that deployments had to read lately, fading; where any."""
        now = self._clock()
        faded = {name: place.read_by(now) for name, place in self._places.items() if place.read}
        return {name: tokens for name, tokens in faded.items() if tokens >= 1.0}

    def sent(self, deployment: str, request: Request) -> None:
        """It is going there.

        What came counts, not what is sent: obligations make the same of the same beginning, and
        where a request goes must be known before it is known what is owed there.
        """
        place = self._places.get(deployment)
        if place is None:
            return
        blocks = self._blocks(request)
        believed = self._reads(place, blocks, request.id)
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

    def _blocks(self, request: Request) -> Blocks:
        blocks = self._waiting.get(request.id)
        if blocks is None:
            blocks = blocks_of(request)
            _put(self._waiting, request.id, blocks, _WAITING)
        return blocks

    def _reads(self, place: Place, blocks: Blocks, request: str | None = None) -> int:
        """How many bytes of it are believed to have been there."""
        own = 1 << place.bit
        believed = self._matched(blocks, own).get(place.bit, 0)
        place.reads((blocks.size - believed) / place.bytes_per_token, self._clock())
        for block in blocks.hashes:
            self._where[block] = self._where.get(block, 0) | own
        self._drop(place.kept.put(blocks, request), own)
        return believed

    def _matched(self, blocks: Blocks, among: int = -1) -> dict[int, int]:
        """The bytes of the beginning that each has, by its bit."""
        found: dict[int, int] = {}
        size, where = 0, self._where
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


def _common(one: tuple[bytes, ...], other: tuple[bytes, ...]) -> int:
    """How many blocks of the beginning are the same; as they are chained, none after the first
    that differs is."""
    same = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        same += 1
    return same


def _same(one: Deployment, other: Deployment) -> bool:
    return (one.node, one.model.name, one.cache) == (other.node, other.model.name, other.cache)
