"""Why the first is the first, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from situs.core.aim import BASED, Mode
from situs.core.decision import Placement
from situs.core.fleet import Deployment
from situs.placement.modes import PICK, SAME, moded
from situs.placement.objectives import OBJECTIVES
from situs.placement.order import Judged
from situs.placement.place import Ranking
from situs.placement.scorers import Field

_LEAST = {
    "cost": "it costs least",
    "e2e_s": "it takes the least time",
    "flaws": "its expected quality is the best",
}
_NEAR = {"cost": "it costs", "e2e_s": "it takes", "flaws": "its expected quality is"}


def why(placement: Placement, ranking: Ranking, names: Sequence[str], share: float = 0.0) -> str:
    """The sentence; empty where nothing is left. `names` are those of the fleet.

    `share` of the sessions are in the pilot, if that is the mode.
    """
    told = _why(placement, ranking, names)
    group = moded(placement)
    if not told or group is None or group.mode is not Mode.PILOT or group.group == SAME:
        return told
    within = "in" if group.group == PICK else "not in"
    return (
        f"this request is {within} the pilot, which {share:.0%} of the sessions are in by a hash "
        f"of the session (of the request without one): a session stays where it is; {told}"
    )


def without_effect(placement: Placement, deployments: Sequence[Deployment]) -> str:
    """Why the mode changes nothing for this request; empty where it may, or there is none."""
    mode, aim = placement.mode, placement.given.aim
    ranked = {one.deployment for one in placement.ranked}
    if mode is None or not ranked:
        return ""
    told = f"the mode {mode} has no effect here: "
    if mode in BASED:
        if aim.baseline in ranked:
            return ""
        codes = [one.code for one in placement.exclusions if one.deployment == aim.baseline]
        return f"{told}its baseline {aim.baseline} is out ({', '.join(codes) or 'policy'})"
    wanted = mode is Mode.LOCAL_DEFAULT
    if any(one.name in ranked and one.locus.owned is wanted for one in deployments):
        return ""
    return f"{told}no place that is {'' if wanted else 'not '}owned is left"


def _why(placement: Placement, ranking: Ranking, names: Sequence[str]) -> str:
    by, ranked = ranking.by, placement.ranked
    if not ranked or by is None or not ranking.order:
        return ""
    called = [names[at] for at in ranking.field.at]
    first, rest = ranking.order[0], ranking.order[1:]
    if ranked[0].deployment != called[first]:
        return f"the mode {placement.mode} puts it first; else {called[first]} would be"
    if not rest:
        return "it is the only one left"
    if ranking.lesser:
        better = next(k for k in rest if ranking.field.quality[k] > ranking.field.quality[first])
        return (
            f"it is cheaper to ask it first; where its answer is not to be trusted, "
            f"{called[better]} is asked"
        )
    rivals = [k for k in rest if _group(by, k) == _group(by, first)]
    if not rivals:
        return _alone(placement, ranking, by, called)
    told = _against(ranking, by, rivals, called, OBJECTIVES[placement.objective].goal)
    return told + _bounded(ranking.field, by, first, rivals, called)


def _alone(placement: Placement, ranking: Ranking, by: Judged, called: Sequence[str]) -> str:
    """Nothing of its rank is good enough beside it; `by.rank` is twice the role, and the mode."""
    first, rest, rank = ranking.order[0], ranking.order[1:], by.rank
    enough = f"it is the only one whose expected quality is enough{_refused(ranking, called)}"
    if rank is None or all(rank[k] == rank[first] for k in rest):
        return enough
    moved = any(rank[k] != rank[first] and rank[k] // 2 == rank[first] // 2 for k in rest)
    cause = f"the mode {placement.mode}" if moved else "its role"
    if all(rank[k] != rank[first] for k in rest):
        return f"{cause} puts it before all others"
    return f"of those that {cause} puts first {enough}"


def _group(by: Judged, k: int) -> tuple[int, bool]:
    return (0 if by.rank is None else by.rank[k]), by.adequate[k]


def _against(
    ranking: Ranking, by: Judged, rivals: Sequence[int], called: Sequence[str], goal: str
) -> str:
    """Against those that come after it for what the objective is after, or nearly that."""
    first = ranking.order[0]
    goals = by.goals
    next_best = min(rivals, key=lambda k: goals[k])
    if not goals[next_best] <= min(goals[first], goals[next_best]) * (1.0 + by.within):
        count = f" of the {len(rivals) + 1} whose expected quality is enough"
        told = f"{_figure(by.field, goal, first)} against {_figure(by.field, goal, next_best)}"
        least = _LEAST[goal]
        if goal == "cost" and goals[first] != by.field.cost[first]:
            least = "with what missing quality is worth it costs least"
        return f"{least}{count}: {told} at {called[next_best]}{_refused(ranking, called)}"
    near = [k for k in rivals if goals[k] <= goals[first] * (1.0 + by.within)]
    other = max(near or [next_best], key=lambda k: by.score[k])
    alike = (
        f"{_NEAR[goal]} nearly the same as {called[other]}'s"
        if goal == "flaws"
        else (f"{_NEAR[goal]} nearly the same as {called[other]}")
    )
    gains = {
        name: weight * (by.scores[name][first] - by.scores[name][other])
        for name, weight in by.weights.items()
    }
    most = max(gains, key=lambda name: gains[name])
    if by.score[first] - by.score[other] <= 0.0 or gains[most] <= 0.0:
        return f"{alike}, and nothing else tells them apart: a hash of the request decides"
    return f"{alike}, and it scores higher, by {most} above all"


def _bounded(
    field: Field, by: Judged, first: int, rivals: Sequence[int], called: Sequence[str]
) -> str:
    """Who would have been better for its cache, if it had not had so much to read."""
    cached = field.cached_tokens
    hot = [k for k in rivals if by.field.e2e_s[k] > field.e2e_s[k] and cached[k] > cached[first]]
    if not hot:
        return ""
    k = max(hot, key=lambda k: cached[k])
    return (
        f"; {called[k]} has {cached[k]} of the prompt's tokens in its cache, which do not count, "
        "for it had much more to read lately than others"
    )


def _figure(field: Field, goal: str, k: int) -> str:
    if goal == "cost":
        cost = field.cost[k]
        return "an unknown price" if cost is None else f"{float(f'{cost:.2g}'):.9f}".rstrip("0")
    return f"{field.e2e_s[k]:.2g} s" if goal == "e2e_s" else f"{field.quality[k]:.0%}"


def _refused(ranking: Ranking, called: Sequence[str]) -> str:
    """The cheapest that is cheaper, and not good enough."""
    field, by, first = ranking.field, ranking.by, ranking.order[0]
    own = field.cost[first]
    if by is None or own is None:
        return ""
    cheaper = [
        (cost, k)
        for k, cost in enumerate(field.cost)
        if cost is not None and cost < own and not by.adequate[k]
    ]
    if not cheaper:
        return ""
    _, k = min(cheaper)
    return f"; {called[k]} is cheaper, but its quality ({field.quality[k]:.0%}) is not enough"
