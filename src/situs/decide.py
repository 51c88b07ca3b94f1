"""The decision: what is it, where may it run, where is it best?"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis import Look, deepen, find_names, look
from situs.core.decision import Analysis, Decision, Obligation, PolicyDecision
from situs.core.heads import FindsNames
from situs.core.label import Label
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement import place
from situs.placement.columns import table_of
from situs.policy import judge
from situs.policy.input import Facts

_COLD: Mapping[str, int] = MappingProxyType({})


class Work(Struct, frozen=True):
    """A part of a decision that may take long: where and when it is done is the caller's choice.

    What is `deep` may also be left undone: None instead of its result. With `asks`, the verdict on
    it is given elsewhere (`snapshot.policy.ask`); `run` denies.
    """

    run: Callable[[], Any]
    deep: bool = False
    asks: Facts | None = None


def decide(
    request: Request,
    snapshot: Snapshot,
    now: float,
    *,
    analysis: Analysis | None = None,
    verdict: PolicyDecision | None = None,
    warm: Mapping[str, int] = _COLD,
) -> Decision:
    """Say where this request may run, where it should, and why.

    The same inputs give the same decision. What is given (a remote verdict, a recorded analysis)
    is not computed again. `now` is wall time in seconds since the epoch; policies see it as
    `input.time`. `warm` are the prompt tokens that deployments have in their caches already. All
    work is done here and now; see `deciding` for who cannot wait.
    """
    if analysis is None:
        deciding_ = deciding(request, snapshot, now, verdict, warm=warm)
    else:
        deciding_ = judging(request, snapshot, now, analysis, verdict, warm)
    try:
        work = next(deciding_)
        while True:
            work = deciding_.send(work.run())
    except StopIteration as done:
        decision: Decision = done.value
        return decision


def deciding(
    request: Request,
    snapshot: Snapshot,
    now: float,
    verdict: PolicyDecision | None = None,
    hurried: bool = False,
    warm: Mapping[str, int] = _COLD,
) -> Generator[Work, Any, Decision]:
    """`decide`, giving out the work that may take long and going on with its results.

    Names are looked for only where they could change what the policy says. `hurried`: rules stand
    in for learned heads wherever they can; labels are the same.
    """
    heads = snapshot.heads.in_haste() if hurried else snapshot.heads
    families = sorted(table_of(snapshot).families)
    found: Look = yield Work(
        partial(look, request, snapshot.labels, snapshot.routes, heads, families)
    )
    if found.unsure and heads.encode is not None:
        vectors = yield Work(partial(heads.encode, found.unsure), deep=True)
        found = deepen(request, found, vectors, snapshot.routes, heads, snapshot.labels)
    if verdict is None and snapshot.policy.ask is not None:
        if heads.names is not None and heads.finds_names is not FindsNames.NEVER:
            found = yield Work(partial(find_names, request, found, snapshot.labels, heads))
        asks = Facts(request, found.analysis, snapshot, now)
        verdict = yield Work(partial(judge, request, found.analysis, snapshot, now), asks=asks)
        return _placed(request, snapshot, now, found.analysis, verdict, warm)
    given, verdict = verdict, verdict or judge(request, found.analysis, snapshot, now)
    if heads.names is not None and heads.finds_names is not FindsNames.NEVER:
        if given is None and _names_matter(request, found.analysis, verdict, snapshot, now):
            found = yield Work(partial(find_names, request, found, snapshot.labels, heads))
            verdict = judge(request, found.analysis, snapshot, now)
        else:
            tiers = {**found.analysis.tiers, "names": "skipped"}
            found = replace(found, analysis=replace(found.analysis, tiers=tiers))
    return _placed(request, snapshot, now, found.analysis, verdict, warm)


def judging(
    request: Request,
    snapshot: Snapshot,
    now: float,
    analysis: Analysis,
    verdict: PolicyDecision | None = None,
    warm: Mapping[str, int] = _COLD,
) -> Generator[Work, Any, Decision]:
    """`deciding` on what is analysed already."""
    if verdict is None and snapshot.policy.ask is not None:
        asks = Facts(request, analysis, snapshot, now)
        verdict = yield Work(partial(judge, request, analysis, snapshot, now), asks=asks)
    verdict = verdict or judge(request, analysis, snapshot, now)
    return _placed(request, snapshot, now, analysis, verdict, warm)


def _placed(
    request: Request,
    snapshot: Snapshot,
    now: float,
    analysis: Analysis,
    verdict: PolicyDecision,
    warm: Mapping[str, int],
) -> Decision:
    placement = place(request, analysis, verdict, snapshot, warm)
    return Decision(request.id, now, analysis, verdict, placement, snapshot.fleet.digest)


_SHOWN = frozenset({"findings", "label_reasons"})
"""Fields in which a policy would see a name itself, not only the label that it sets."""


def _hides(owed: Obligation, kinds: tuple[str, ...]) -> bool:
    """Whether some of these kinds must not leave as they are."""
    hiding = owed.kind in ("redact", "pseudonymise")
    return hiding and (not owed.findings or not set(kinds).isdisjoint(owed.findings))


def _names_matter(
    request: Request,
    analysis: Analysis,
    verdict: PolicyDecision,
    snapshot: Snapshot,
    now: float,
) -> bool:
    """Whether the verdict would be another if there were names in the texts.

    Names do three things: they raise the label to a floor, a policy may ask for them, and it may
    ask that they be hidden. The first is tried; with the others it is not known beforehand what
    they would do.
    """
    heads, floors = snapshot.heads, snapshot.labels.floors
    if heads.finds_names is FindsNames.ALWAYS or not _SHOWN.isdisjoint(snapshot.policy.reads):
        return True
    if any(_hides(one, heads.name_kinds) for one in verdict.obligations):
        return True
    could = {floors.get(kind, Label.RESTRICTED) for kind in heads.name_kinds}
    return any(
        judge(request, replace(analysis, label=label), snapshot, now) != verdict
        for label in sorted(could)
        if label > analysis.label
    )
