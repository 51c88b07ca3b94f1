"""Why there: a decision with what every filter and every scorer said of every deployment."""

from __future__ import annotations

from msgspec import Struct

from situs.core.decision import Candidate, Decision, Exclusion, Obligation
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.estimates import Estimate, estimate
from situs.placement.filters import FILTERS, Context, Option, owed_by


class DeploymentExplained(Struct, frozen=True):
    """One deployment: policy's word, every filter's word (`ok` or a code), its rank from 1.

    `owed` is what must be done if the request goes there.
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


class Explained(Struct, frozen=True):
    """`pick` is where it would go first; None when nothing is left, or Situs itself would answer.

    `route_answer` says that the template of its route would.
    """

    decision: Decision
    deployments: tuple[DeploymentExplained, ...]
    pick: str | None
    route_answer: bool = False


def explain(request: Request, decision: Decision, snapshot: Snapshot) -> Explained:
    """Spread a decision out. Filters are asked about denied deployments too, for information."""
    ranked = decision.placement.ranked
    ranks = {candidate.deployment: (i, candidate) for i, candidate in enumerate(ranked, 1)}
    owed = owed_by(decision.policy)
    context = Context(request, decision.analysis, decision.placement.objective, owed)
    rows = []
    for deployment, state in zip(snapshot.fleet.deployments, snapshot.fleet.states, strict=True):
        expected = estimate(deployment, state, request, decision.analysis, snapshot.data)
        option = Option(deployment, state, expected)
        rank, candidate = ranks.get(deployment.name, (None, None))
        rows.append(
            DeploymentExplained(
                deployment=deployment.name,
                locus=deployment.locus.name,
                jurisdiction=deployment.locus.jurisdiction,
                policy=_policy(decision.policy.exclusions, deployment.name),
                filters={name: ask(option, context) or "ok" for name, ask in FILTERS.items()},
                expected=expected,
                rank=rank,
                candidate=candidate,
                owed=owed.get(deployment.name, ()),
            )
        )
    own = snapshot.routes.answer(request, decision.analysis.routed) is not None
    pick = ranked[0].deployment if ranked and not own else None
    return Explained(decision, tuple(rows), pick, own)


def _policy(exclusions: tuple[Exclusion, ...], name: str) -> str:
    codes = [exclusion.code for exclusion in exclusions if exclusion.deployment == name]
    return f"deny: {', '.join(codes)}" if codes else "allow"
