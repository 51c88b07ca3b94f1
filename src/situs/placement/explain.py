"""Why there: a decision with what every filter and every scorer said of every deployment."""

from __future__ import annotations

from msgspec import Struct

from situs.core.decision import Candidate, Decision, Exclusion, Obligation
from situs.core.fleet import Role
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.aims import aim_for
from situs.placement.columns import table_of
from situs.placement.estimates import Estimate, estimate
from situs.placement.filters import FILTERS, Context, Option, owed_by
from situs.placement.objectives import OBJECTIVES
from situs.placement.place import rank
from situs.placement.quality import interval, quality
from situs.placement.why import why, without_effect


class DeploymentExplained(Struct, frozen=True):
    """One deployment: policy's word, every filter's word (`ok` or a code), its rank from 1.

    `owed` is what must be done if the request goes there. `candidate` is also there for those that
    rank too low to be tried. The true quality lies in its range 19 times out of 20.
    """

    deployment: str
    locus: str
    jurisdiction: str
    policy: str
    filters: dict[str, str]
    expected: Estimate
    rank: int | None
    candidate: Candidate | None
    owed: tuple[Obligation, ...] = ()
    role: Role = Role.ACTIVE
    quality: float | None = None
    quality_range: tuple[float, float] | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0


class Explained(Struct, frozen=True):
    """`pick` is where it would go first; None when nothing is left, or Situs itself would answer.

    `route_answer` says that the template of its route would. `goal` is the figure that is to be
    least, `weights` decide among those nearly equal in it, `why` says what made the first the
    first.
    """

    decision: Decision
    deployments: tuple[DeploymentExplained, ...]
    pick: str | None
    route_answer: bool = False
    goal: str = ""
    weights: dict[str, float] = {}
    why: str = ""


def explain(request: Request, decision: Decision, snapshot: Snapshot) -> Explained:
    """Spread a decision out. Filters are asked about denied deployments too, for information."""
    analysis, placement, fleet = decision.analysis, decision.placement, snapshot.fleet
    warm, aim = placement.given.warm, placement.given.aim
    owed, names = owed_by(decision.policy), table_of(snapshot).names
    ranking = rank(request, analysis, decision.policy, snapshot, warm, aim)
    every = ranking.candidates(ranking.order, names)
    candidates = {one.deployment: one for one in (*placement.ranked, *every)}
    ranks = {name: place for place, name in enumerate(candidates, 1)}
    context = Context(request, analysis, placement.objective, owed)
    rows = []
    for deployment, state in zip(fleet.deployments, fleet.states, strict=True):
        name = deployment.name
        cached = warm.get(name, 0)
        expected = estimate(deployment, state, request, analysis, snapshot, cached)
        option = Option(deployment, state, expected)
        believed = quality(deployment.model, analysis, snapshot.beliefs)
        prompt = analysis.tokens_by.get(deployment.model.family, analysis.prompt_tokens)
        rows.append(
            DeploymentExplained(
                deployment=name,
                locus=deployment.locus.name,
                jurisdiction=deployment.locus.jurisdiction,
                policy=_policy(decision.policy.exclusions, name),
                filters={name: ask(option, context) or "ok" for name, ask in FILTERS.items()},
                expected=expected,
                rank=ranks.get(name),
                candidate=candidates.get(name),
                owed=owed.get(name, ()),
                role=deployment.role,
                quality=believed.mean,
                quality_range=interval(believed),
                prompt_tokens=prompt,
                cached_tokens=min(cached, prompt),
            )
        )
    own = snapshot.routes.answer(request, analysis.routed) is not None
    pick = placement.ranked[0].deployment if placement.ranked and not own else None
    profile = OBJECTIVES[placement.objective]
    share = 0.0 if aim.scope in snapshot.rolled_back else aim_for(request, analysis, snapshot).share
    told = why(placement, ranking, names, share) if pick else ""
    if pick and (idle := without_effect(placement, fleet.deployments)):
        told = f"{told}; {idle}"
    return Explained(decision, tuple(rows), pick, own, profile.goal, profile.weights, told)


def _policy(exclusions: tuple[Exclusion, ...], name: str) -> str:
    codes = [exclusion.code for exclusion in exclusions if exclusion.deployment == name]
    return f"deny: {', '.join(codes)}" if codes else "allow"
