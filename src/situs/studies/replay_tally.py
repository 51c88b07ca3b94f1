"""What becomes of decisions under another policy: each is decided again, and compared."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from situs import __version__
from situs.core.data import DataSet
from situs.core.decision import Placement, PolicyDecision
from situs.core.fleet import Deployment
from situs.core.label import Label
from situs.core.snapshot import Beliefs, Confidences, Labels, Policy, Snapshot
from situs.decide import decide
from situs.placement.filters import PASSING
from situs.policy import judge
from situs.policy.memory import Memory
from situs.rego.engine import Checked, make_ready
from situs.studies.replay_record import Lost, Past, Segment, decisions

EXAMPLES = 10
NOWHERE = "nowhere"
_FLEETS = 16
_STEP = math.log(1.002)
_NO_LABELS = Labels({})
_HIDING = frozenset({"redact", "pseudonymise"})
_SHOWN = frozenset({"findings", "label_reasons"})


class Terms(Struct, frozen=True):
    """What decisions are decided on again, besides what the record has.

    `new` is tried; `old` is what it is compared with, None: what was decided then. `home` and
    `data` are those of the configuration, `names` the labels that names in a text would set, by
    kind. Of the record, a `share` since then is read; `there` are about all, where it is a sample.
    """

    new: Checked
    old: Checked | None = None
    home: str = ""
    data: dict[str, DataSet] = {}
    names: dict[str, Label] = {}
    since: float | None = None
    share: float = 1.0
    there: int | None = None


class Group(Struct):
    """How many decisions changed in one way, and the ids of some."""

    count: int = 0
    ids: list[str] = []


@dataclass(slots=True)
class Tally:
    """Owns the counts. `first` counts where requests go first, by side, fleet and deployment.

    `changed` counts decisions by kind of change, `groups` by kind and what exactly. `money` sums by
    side and currency; times are counted in steps of two in a thousand, by side and figure.
    """

    replayed: int = 0
    priced: int = 0
    unpriced: int = 0
    compared: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    checked: Counter[str] = field(default_factory=Counter)
    policies: Counter[str] = field(default_factory=Counter)
    first: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    fleets: dict[str, dict[str, Deployment]] = field(default_factory=dict)
    money: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    times: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    began: float = math.inf
    ended: float = -math.inf

    def note(self, kind: str, decision: str, what: Iterable[str]) -> None:
        """A decision that changed, in so many ways of one kind."""
        self.changed[kind] += 1
        for one in what:
            group = self.groups.setdefault((kind, one), Group())
            group.count += 1
            if len(group.ids) < EXAMPLES:
                group.ids.append(decision)

    def add(self, other: Tally) -> None:
        """What another part of the record had, which comes after this one."""
        self.replayed += other.replayed
        self.priced += other.priced
        self.unpriced += other.unpriced
        self.compared += other.compared
        for name in ("lost", "changed", "checked", "policies", "first", "times", "lacking"):
            getattr(self, name).update(getattr(other, name))
        self.fleets.update(other.fleets)
        for place, amount in other.money.items():
            self.money[place] += amount
        for key, more in other.groups.items():
            group = self.groups.setdefault(key, Group())
            group.count += more.count
            group.ids = (group.ids + more.ids)[:EXAMPLES]
        self.began = min(self.began, other.began)
        self.ended = max(self.ended, other.ended)


class _Side(Struct, frozen=True):
    """What a policy says of one request, and where that leads."""

    verdict: PolicyDecision
    placement: Placement

    @property
    def first(self) -> str | None:
        ranked = self.placement.ranked
        return ranked[0].deployment if ranked else None

    def reach(self) -> list[str]:
        """Where it may come to: what is only down or busy will not always be."""
        out = {one.deployment for one in self.placement.exclusions if one.rule not in PASSING}
        return [name for name in self.verdict.allowed if name not in out]


def tally(segment: Segment, terms: Terms) -> Tally:
    """Decide all of one file again. Its engines belong to the thread that calls this."""
    replay = _Replay(terms)
    for past in decisions(segment, terms.since, terms.share):
        if isinstance(past, Lost):
            replay.found.lost[past.why] += 1
        else:
            replay.one(past)
    return replay.found


class _Replay:
    """Owns the engines of both policies, and the counts."""

    def __init__(self, terms: Terms) -> None:
        self.found = Tally()
        self._terms = terms
        self._new = make_ready(terms.new)
        self._old = None if terms.old is None else make_ready(terms.old)
        self._memory = Memory(_FLEETS)
        self._reads = self._new.reads | (self._old.reads if self._old else frozenset())

    def one(self, past: Past) -> None:
        found, said = self.found, past.said
        found.replayed += 1
        found.began, found.ended = min(found.began, said.at), max(found.ended, said.at)
        found.policies[said.policy.policy] += 1
        snapshot = self._snapshot(past, self._new)
        verdict = judge(past.request, said.analysis, snapshot, said.at)
        earlier = self._before(past)
        placement = self._placed(past, snapshot, verdict)
        after = _Side(verdict, placement)
        same = (earlier.allowed, earlier.obligations) == (verdict.allowed, verdict.obligations)
        if not same:
            placement = self._placed(past, snapshot, earlier)
        before = _Side(earlier, placement)
        self._reproduced(past, before, after)
        self._lacks(past, snapshot, verdict)
        if past.fleet.digest not in found.fleets:
            found.fleets[past.fleet.digest] = {one.name: one for one in past.fleet.deployments}
        self._count(past, before, after)
        if not same:
            self._compare(past, before, after)

    def _snapshot(self, past: Past, policy: Policy) -> Snapshot:
        placement, terms = past.said.placement, self._terms
        given = placement.given
        beliefs = Beliefs(final=given.qualities, answers=given.answers, usual_cost=given.usual_cost)
        return Snapshot(
            past.fleet,
            policy,
            _NO_LABELS,
            replace(given.aim, objective=placement.objective),
            terms.home,
            data=terms.data,
            beliefs=beliefs,
            confidences=Confidences(final=frozenset(given.calibrated)),
            memory=self._memory,
            read=given.read,
        )

    def _before(self, past: Past) -> PolicyDecision:
        if self._old is None:
            return past.said.policy
        snapshot = self._snapshot(past, self._old)
        return judge(past.request, past.said.analysis, snapshot, past.said.at)

    def _placed(self, past: Past, snapshot: Snapshot, verdict: PolicyDecision) -> Placement:
        said = past.said
        warm = said.placement.given.warm
        return decide(
            past.request, snapshot, said.at, analysis=said.analysis, verdict=verdict, warm=warm
        ).placement

    # Whether the record can be relied on.

    def _reproduced(self, past: Past, before: _Side, after: _Side) -> None:
        """What was decided by a policy that is asked again must come out the same."""
        said, found = past.said, self.found
        for digest, side in ((self._new.digest, after), (self._old and self._old.digest, before)):
            if said.policy.policy == digest:
                found.checked["verdict"] += 1
                if side.verdict != said.policy:
                    found.note("verdict", said.id, [self._why_verdict(past)])
                break
        stored = said.policy.allowed, said.policy.obligations
        if (before.verdict.allowed, before.verdict.obligations) != stored:
            return
        found.checked["ranking"] += 1
        if before.placement != said.placement:
            names = [one.deployment for one in said.placement.ranked]
            other = names != [one.deployment for one in before.placement.ranked]
            found.note("ranking" if other else "figures", said.id, [_why_placement(past)])

    def _why_verdict(self, past: Past) -> str:
        if past.said.policy.error is not None:
            return f"there was no verdict then: {past.said.policy.error}"
        if past.situs != __version__:
            return f"written by Situs {past.situs}"
        if "data" in self._reads and past.said.analysis.data:
            return "the data sets of the configuration may have changed"
        if "home_jurisdiction" in self._reads:
            return "home in the configuration may have changed"
        if "principal" in self._reads and not past.has_groups:
            return "the groups of the caller are not in the record"
        return "nothing known: the record, or Situs, is not what it was"

    def _lacks(self, past: Past, snapshot: Snapshot, verdict: PolicyDecision) -> None:
        """Count what the policies look at and the record does not have."""
        lacking, said = self.found.lacking, past.said
        if "principal" in self._reads and not past.has_groups:
            lacking["groups"] += 1
        if "data" in self._reads and not self._terms.data.keys() >= set(said.analysis.data):
            lacking["data"] += 1
        if said.analysis.tiers.get("names") == "skipped" and self._names_matter(
            past, snapshot, verdict
        ):
            self.found.note("names", said.id, [said.analysis.label])

    def _names_matter(self, past: Past, snapshot: Snapshot, verdict: PolicyDecision) -> bool:
        """Whether names, for which nobody looked then, might change what the policy says."""
        analysis, at = past.said.analysis, past.said.at
        if not _SHOWN.isdisjoint(self._new.reads):
            return True
        names = self._terms.names
        for one in verdict.obligations:
            if one.kind in _HIDING and not (one.findings and names.keys().isdisjoint(one.findings)):
                return True
        return any(
            judge(past.request, replace(analysis, label=label), snapshot, at) != verdict
            for label in sorted(set(names.values()))
            if label > analysis.label
        )

    # What changes.

    def _count(self, past: Past, before: _Side, after: _Side) -> None:
        """Where it goes first, what that costs, how long it takes: as estimated then."""
        found, digest = self.found, past.fleet.digest
        found.first["before", digest, before.first or NOWHERE] += 1
        found.first["after", digest, after.first or NOWHERE] += 1
        if not before.placement.ranked or not after.placement.ranked:
            return
        found.compared += 1
        sides = ("before", before.placement.ranked[0]), ("after", after.placement.ranked[0])
        for side, one in sides:
            found.times[side, "ttft_s", _bucket(one.ttft_s)] += 1
            found.times[side, "e2e_s", _bucket(one.e2e_s)] += 1
        if any(one.cost is None for _, one in sides):
            found.unpriced += 1
            return
        found.priced += 1
        for side, one in sides:
            price = found.fleets[digest][one.deployment].price
            if price is not None and one.cost is not None:
                found.money[side, price.currency] += one.cost

    def _compare(self, past: Past, before: _Side, after: _Side) -> None:
        """In how many ways the two differ for one request."""
        note, at = self.found.note, past.said.id
        came, goes = before.first, after.first
        if came is not None and goes is None:
            note("denied", at, [_why_denied(before, after)])
        elif came is None and goes is not None:
            note("allowed", at, [f"{past.said.analysis.label} -> {goes}"])
        if came != goes:
            note("moved", at, [f"{came or NOWHERE} -> {goes or NOWHERE}"])
        if came is not None and goes is not None:
            self._compare_first(past, came, goes)
        self._compare_reach(past, before, after)
        owed, owed_now = _kinds(before), _kinds(after)
        if owed_now - owed:
            note("owed", at, sorted(owed_now - owed))
        if owed - owed_now:
            note("released", at, sorted(owed - owed_now))

    def _compare_first(self, past: Past, came: str, goes: str) -> None:
        fleet = self.found.fleets[past.fleet.digest]
        here, there = fleet[came].locus, fleet[goes].locus
        if here.name != there.name:
            self.found.note("moved_locus", past.said.id, [f"{here.name} -> {there.name}"])
        if here.jurisdiction != there.jurisdiction:
            law = f"{here.jurisdiction} -> {there.jurisdiction}"
            self.found.note("moved_jurisdiction", past.said.id, [law])

    def _compare_reach(self, past: Past, before: _Side, after: _Side) -> None:
        note, at, label = self.found.note, past.said.id, past.said.analysis.label
        fleet = self.found.fleets[past.fleet.digest]
        came, goes = before.reach(), after.reach()
        out = {name for name in came if not fleet[name].locus.owned}
        out_now = {name for name in goes if not fleet[name].locus.owned}
        farther = {fleet[name].locus.name for name in out_now} - {
            fleet[name].locus.name for name in out
        }
        if farther:
            note("widened" if out else "left", at, [f"{label} -> {one}" for one in sorted(farther)])
        elif out and not out_now:
            note("kept", at, [label])
        laws = {fleet[name].locus.jurisdiction for name in goes} - {self._terms.home}
        laws -= {fleet[name].locus.jurisdiction for name in came}
        if laws:
            note("crossed", at, [f"{label} -> {one}" for one in sorted(laws)])
        if out and out_now and (bared := _bared(before, out, after, out_now)):
            note("bared", at, bared)


def _bared(before: _Side, out: set[str], after: _Side, out_now: set[str]) -> list[str]:
    """What was done wherever it left to, and no longer is wherever it leaves to."""
    held, holds = _always(before, out), _always(after, out_now)
    gone = {one for one in held - holds if (one[0], "") not in holds}
    return sorted(" ".join(one).rstrip() for one in gone)


def _always(side: _Side, names: Iterable[str]) -> set[tuple[str, str]]:
    """The kinds of obligation, with the kind of finding each is about: none where it is all."""
    return set.intersection(
        *(
            {
                ("hide" if one.kind in _HIDING else one.kind, finding)
                for one in side.verdict.obligations
                if one.deployment == name
                for finding in one.findings or ("",)
            }
            for name in names
        )
    )


def _kinds(side: _Side) -> set[str]:
    return {one.kind for one in side.verdict.obligations}


def _why_denied(before: _Side, after: _Side) -> str:
    """The codes that stand against where it came to until now."""
    if after.verdict.error is not None:
        return after.verdict.error
    came = set(before.reach())
    out = (*after.verdict.exclusions, *after.placement.exclusions)
    return ", ".join(sorted({one.code for one in out if one.deployment in came}))


def _why_placement(past: Past) -> str:
    if past.situs != __version__:
        return f"written by Situs {past.situs}"
    if past.said.analysis.data:
        return "the data sets of the configuration may have changed"
    return "nothing known: the record, or Situs, is not what it was"


def _bucket(seconds: float) -> int:
    return round(math.log(max(seconds, 1e-6)) / _STEP)


def of_bucket(bucket: int) -> float:
    """The seconds that a bucket of `Tally.times` stands for."""
    return math.exp(bucket * _STEP)


def counted(reasons: Counter[str]) -> str:
    """The most frequent first."""
    return ", ".join(f"{why} ({count})" for why, count in reasons.most_common())
