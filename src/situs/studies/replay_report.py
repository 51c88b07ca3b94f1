"""What a replay found, for people and for gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from situs.policy.input import FIELDS
from situs.studies.replay_record import SETTINGS, STORED
from situs.studies.replay_tally import NOWHERE, Tally, Terms, counted, of_bucket


class FailOn(StrEnum):
    """What a gate does not let pass."""

    DENIED = "denied"
    LEFT = "left"
    MOVED = "moved"
    NEVER = "never"


KINDS = {
    "left": "newly may leave owned loci",
    "widened": "may leave already, newly to further loci",
    "crossed": "newly may come under another law",
    "bared": "no longer protected wherever they leave to",
    "denied": "newly denied",
    "allowed": "newly allowed",
    "kept": "no longer may leave owned loci",
    "owed": "obligations newly owed",
    "released": "obligations no longer owed",
    "moved": "go elsewhere first, or nowhere",
    "moved_locus": "go to another locus first",
    "moved_jurisdiction": "come under another law first",
}
"""The ways in which a decision can change, the gravest first."""

FARTHER = ("left", "widened", "crossed", "bared")
"""What lets content go farther than it could."""
_GATES = {FailOn.DENIED: ("denied",), FailOn.LEFT: FARTHER, FailOn.MOVED: ("moved",)}


_FEW: Final = 300
"""A smaller sample may well have nothing of what happens to one in a hundred."""


class Ways(Struct, frozen=True):
    """How many decisions changed in exactly this way, with the ids of some."""

    what: str
    decisions: int
    examples: tuple[str, ...]


class Change(Struct, frozen=True):
    """How many decisions changed in one kind of way; one decision may be in several `ways`."""

    decisions: int
    ways: tuple[Ways, ...]


class Place(Struct, frozen=True):
    """How many requests go there first."""

    name: str
    before: int
    after: int


class Pair(Struct, frozen=True):
    """A figure before and after."""

    before: float
    after: float


class Latency(Struct, frozen=True):
    """Expected seconds, over the requests that go somewhere before and after."""

    ttft_p50_s: Pair
    ttft_p95_s: Pair
    e2e_p50_s: Pair
    e2e_p95_s: Pair


class Reproduced(Struct, frozen=True):
    """How far the record comes out the same when its decisions are made again as they were.

    Verdicts can be checked for policies that are asked again, rankings for all verdicts. `figures`
    are rankings with the same order and other scores or reasons.
    """

    verdicts: int
    verdicts_other: Change
    rankings: int
    rankings_other: Change
    figures_other: Change


class Report(Struct, frozen=True):
    """What a replay found. `old` is None where the decisions themselves are what is compared with.

    `there` are about all decisions, where a `share` of them was looked at. `cost` is by currency,
    as estimated for each decision then, over the `priced` requests that go somewhere before and
    after; `latency` over these and the `unpriced`. `lost` are decisions that cannot be made again.
    `doubts` are what the figures do not cover, `failed` says why the gate is shut.
    """

    old: str | None
    new: str
    replayed: int
    there: int | None
    share: float
    since: float | None
    began: float
    ended: float
    changes: dict[str, Change]
    places: dict[str, tuple[Place, ...]]
    cost: dict[str, Pair]
    priced: int
    unpriced: int
    latency: Latency | None
    reproduced: Reproduced
    recorded_by: dict[str, int]
    lost: dict[str, int]
    doubts: tuple[str, ...]
    remarks: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failed


def report(found: Tally, terms: Terms, gates: Collection[FailOn]) -> Report:
    """What was counted, for people and for gates."""
    changes = {kind: _change(found, kind) for kind in KINDS}
    doubts = tuple(_doubts(found, terms))
    return Report(
        old=None if terms.old is None else terms.old.digest,
        new=terms.new.digest,
        replayed=found.replayed,
        there=terms.there if terms.share < 1 else None,
        share=terms.share,
        since=terms.since,
        began=found.began,
        ended=found.ended,
        changes=changes,
        places=_places(found),
        cost={
            currency: Pair(*(found.money[side, currency] for side in ("before", "after")))
            for currency in sorted({currency for _, currency in found.money})
        },
        priced=found.priced,
        unpriced=found.unpriced,
        latency=_latency(found),
        reproduced=Reproduced(
            found.checked["verdict"],
            _change(found, "verdict"),
            found.checked["ranking"],
            _change(found, "ranking"),
            _change(found, "figures"),
        ),
        recorded_by=dict(found.policies.most_common()),
        lost=dict(found.lost),
        doubts=doubts,
        remarks=tuple(_remarks(found, terms)),
        failed=tuple(_failed(found, gates, doubts)),
    )


def _failed(found: Tally, gates: Collection[FailOn], doubts: Sequence[str]) -> Iterator[str]:
    """Why the gate is shut. What is not known does not pass either."""
    shut = [kind for gate in gates if gate is not FailOn.NEVER for kind in _GATES[gate]]
    for kind, words in KINDS.items():
        if kind in shut and found.changed[kind]:
            yield f"{words}: {found.changed[kind]}"
    if shut:
        yield from doubts


def _doubts(found: Tally, terms: Terms) -> Iterator[str]:
    """What the figures do not cover, and why they may be wrong."""
    if terms.share < 1 and found.replayed < _FEW:
        yield _sampled(found, terms)
    if found.lost:
        yield f"{found.lost.total()} decisions cannot be made again: {counted(found.lost)}"
    if found.changed["verdict"]:
        ways = ", ".join(one.what for one in _change(found, "verdict").ways)
        yield (
            f"{found.changed['verdict']} of {found.checked['verdict']} verdicts of a policy that "
            f"is asked here are not as recorded: {ways}"
        )
    for name in sorted(_reads(terms) - STORED - SETTINGS):
        yield f"a policy reads input.{name}, which is not in the record: taken as empty"
    if found.lacking["groups"]:
        yield (
            "a policy reads input.principal, and the record lacks the groups of the caller in "
            f"{found.lacking['groups']} decisions: taken as none"
        )
    if found.lacking["data"]:
        yield (
            f"a policy reads input.data, and {found.lacking['data']} decisions drew on data sets "
            "that the configuration does not have: taken as what may never leave"
        )


def _sampled(found: Tally, terms: Terms) -> str:
    """So much of the whole may be what none of a sample is, with a confidence of 95 of 100."""
    unseen = 1 - 0.05 ** (1 / found.replayed)
    return (
        f"a sample: {found.replayed:,} of about {terms.there:,} decisions; what changes for up to "
        f"{unseen:.2%} of them may not be among these"
    )


def _remarks(found: Tally, terms: Terms) -> Iterator[str]:
    """What to know of the figures besides."""
    if found.changed["names"]:
        yield (
            f"in {found.changed['names']} decisions nobody looked for names, as they could not "
            "matter then; under the new policy they might"
        )
    if terms.share < 1 and found.replayed >= _FEW:
        yield _sampled(found, terms)
    if "home_jurisdiction" in _reads(terms):
        home = terms.home or "nothing"
        yield f"input.home_jurisdiction is what the configuration says now: {home}"
    if "data" in _reads(terms) and terms.data:
        yield "input.data is what the configuration says now of the data sets"
    if found.unpriced:
        yield f"costs leave out {found.unpriced} requests: a place of theirs has no price"
    if not found.checked["verdict"]:
        yield "no decision was made by a policy that is asked here: verdicts are not checked"
    if found.changed["ranking"]:
        yield (
            f"{found.changed['ranking']} rankings are not as recorded with the verdicts as they "
            "were; what is compared with is the ranking of today"
        )


def _reads(terms: Terms) -> set[str]:
    policies = (one for one in (terms.old, terms.new) if one is not None)
    return {name for one in policies for name in one.reads} & FIELDS.keys()


def _change(found: Tally, kind: str) -> Change:
    ways = [
        Ways(what, group.count, tuple(group.ids))
        for (which, what), group in found.groups.items()
        if which == kind
    ]
    ways.sort(key=lambda one: (-one.decisions, one.what))
    return Change(found.changed[kind], tuple(ways))


def _places(found: Tally) -> dict[str, tuple[Place, ...]]:
    counts: dict[str, dict[str, Counter[str]]] = {
        axis: {"before": Counter(), "after": Counter()}
        for axis in ("ownership", "jurisdiction", "locus", "deployment")
    }
    for (side, digest, name), count in found.first.items():
        names = dict.fromkeys(counts, NOWHERE)
        if name != NOWHERE:
            locus = found.fleets[digest][name].locus
            owned = "owned" if locus.owned else "not owned"
            names = dict(zip(counts, (owned, locus.jurisdiction, locus.name, name), strict=True))
        for axis, said in names.items():
            counts[axis][side][said] += count
    return {
        axis: tuple(
            Place(name, sides["before"][name], sides["after"][name])
            for name in sorted(sides["before"].keys() | sides["after"].keys())
        )
        for axis, sides in counts.items()
    }


def _latency(found: Tally) -> Latency | None:
    if not found.compared:
        return None
    return Latency(
        *(
            Pair(*(_quantile(found, side, figure, share) for side in ("before", "after")))
            for figure in ("ttft_s", "e2e_s")
            for share in (0.5, 0.95)
        )
    )


def _quantile(found: Tally, side: str, figure: str, share: float) -> float:
    buckets = sorted(
        (bucket, count)
        for (which, what, bucket), count in found.times.items()
        if (which, what) == (side, figure)
    )
    left = share * found.compared
    for bucket, count in buckets:
        left -= count
        if left <= 0:
            return of_bucket(bucket)
    return of_bucket(buckets[-1][0])
