"""Hard requirements: each filter says why a deployment is out, or None.

A filter is a function of one option. To add one, write it and put it into FILTERS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from situs.core.decision import Analysis, Exclusion, Obligation, PolicyDecision
from situs.core.fleet import SHUT, Deployment, DeploymentState
from situs.core.request import AUTO, READABLE, Objective, Request, Service
from situs.core.route import RoutedBy
from situs.core.snapshot import Snapshot
from situs.placement.estimates import Estimate


class Option(Struct, frozen=True):
    """One deployment as placement sees it."""

    deployment: Deployment
    state: DeploymentState
    estimate: Estimate


class Context(Struct, frozen=True):
    """`owed` are the obligations by deployment."""

    request: Request
    analysis: Analysis
    objective: Objective
    owed: dict[str, tuple[Obligation, ...]] = {}


def owed_by(verdict: PolicyDecision) -> dict[str, tuple[Obligation, ...]]:
    """What the policy asks for, by deployment."""
    found: dict[str, tuple[Obligation, ...]] = {}
    for one in verdict.obligations:
        found[one.deployment] = (*found.get(one.deployment, ()), one)
    return found


Filter = Callable[[Option, Context], str | None]


def asked_model(option: Option, context: Context) -> str | None:
    """A concrete name pins: the deployment's own, or its model's. A route's name does not.

    A copy is for one deployment alone.
    """
    named = _named(option.deployment, context.request, context.analysis)
    return None if named else "not_asked_for"


def on_route(option: Option, context: Context) -> str | None:
    """A route restricts, however the request came to it."""
    return None if _on_route(option.deployment, context.analysis) else "not_on_route"


def meant(deployment: Deployment, request: Request, analysis: Analysis) -> bool:
    """Whether the request may mean this deployment: by the name in it, and by its route."""
    return _named(deployment, request, analysis) and _on_route(deployment, analysis)


def _named(deployment: Deployment, request: Request, analysis: Analysis) -> bool:
    routed = analysis.routed
    if request.copy is not None:
        return deployment.name == request.copy.at
    return (routed is not None and routed.by is RoutedBy.ASKED) or names(request, deployment)


def _on_route(deployment: Deployment, analysis: Analysis) -> bool:
    within = () if analysis.routed is None else analysis.routed.deployments
    return not within or deployment.name in within


def known_name(request: Request, snapshot: Snapshot) -> bool:
    """Whether the model name in the request means anything: `auto`, a deployment, a model, a route.

    Embeddings have no routes.
    """
    if request.model in snapshot.routes.table:
        return request.wire.service is not Service.EMBEDDINGS
    return any(names(request, deployment) for deployment in snapshot.fleet.deployments)


def names(request: Request, deployment: Deployment) -> bool:
    """Whether the model name in the request means this deployment."""
    return request.model in (AUTO, deployment.name, deployment.model.name)


def serves(option: Option, context: Context) -> str | None:
    service = context.request.wire.service
    return None if service in option.deployment.model.serves else f"no_{service}"


def healthy(option: Option, context: Context) -> str | None:
    """`unknown` and `stale` may be tried; scorers rank them lower."""
    health = option.state.health
    return health.value if health in SHUT else None


def free_slot(option: Option, context: Context) -> str | None:
    saturated = option.state.in_flight >= option.deployment.max_in_flight
    return "saturated" if saturated else None


def context_window(option: Option, context: Context) -> str | None:
    """The prompt and the answer must fit: the answer counts as asked, or else as expected.

    Of a batch each prompt has the context for itself, so the longest counts.
    """
    analysis = context.analysis
    answer = context.request.max_completion_tokens or analysis.completion_tokens
    model = option.deployment.model
    prompt = analysis.tokens_by.get(model.family, analysis.prompt_tokens)
    if analysis.longest_tokens is not None:
        prompt = prompt * analysis.longest_tokens // max(1, analysis.prompt_tokens)
    return "context_too_small" if prompt + answer > model.context_tokens else None


def modality(option: Option, context: Context) -> str | None:
    """What is taken out on the way there need not be read there."""
    needed = context.request.modalities
    if any(one.kind == "strip_attachments" for one in context.owed.get(option.deployment.name, ())):
        needed = needed & READABLE
    missing = needed - option.deployment.model.modalities
    return f"no_{min(missing)}" if missing else None


def tools(option: Option, context: Context) -> str | None:
    model, request = option.deployment.model, context.request
    if request.tools and not model.tools:
        return "no_tools"
    if request.structured_output and not model.structured_output:
        return "no_structured_output"
    return None


def within_cost(option: Option, context: Context) -> str | None:
    limit, cost = context.request.ask.max_cost, option.estimate.cost
    if limit is None:
        return None
    if cost is None:
        return "price_unknown"
    return "too_expensive" if cost > limit else None


def within_slo(option: Option, context: Context) -> str | None:
    ask = context.request.ask
    if ask.slo_ttft_s is not None and option.estimate.ttft_s > ask.slo_ttft_s:
        return "ttft_too_long"
    if ask.deadline_s is not None and option.estimate.e2e_s > ask.deadline_s:
        return "deadline_too_short"
    return None


def owned_if_private(option: Option, context: Context) -> str | None:
    private = context.objective is Objective.PRIVATE
    return "not_owned" if private and not option.deployment.locus.owned else None


def obligations(option: Option, context: Context) -> str | None:
    """What is owed must be possible there: some of it is only known to be by what the place is."""
    for one in context.owed.get(option.deployment.name, ()):
        locus = option.deployment.locus
        if one.kind == "require_owned" and not locus.owned:
            return "not_owned"
        kept = not locus.owned and locus.retention != "none"
        if one.kind == "no_retention" and kept and option.deployment.no_retention is None:
            return "retention_not_avoidable"
    return None


FILTERS: dict[str, Filter] = {
    "model": asked_model,
    "route": on_route,
    "service": serves,
    "health": healthy,
    "capacity": free_slot,
    "context_window": context_window,
    "modality": modality,
    "tools": tools,
    "max_cost": within_cost,
    "slo": within_slo,
    "private": owned_if_private,
    "obligations": obligations,
}

LASTING = ("model", "route", "service", "modality", "tools", "private", "obligations")
"""Filters that look at nothing but what a deployment is and `columns.Table.selection` knows of a
request. Where one of them refuses, the others are not asked."""

PASSING = frozenset({"health", "capacity"})
"""Filters whose refusal passes with time; the others refuse the same request again."""


def refusals(option: Option, context: Context, names: Iterable[str]) -> list[Exclusion]:
    """What each of these filters says that refuses this option."""
    return [
        Exclusion(option.deployment.name, name, code)
        for name in names
        if (code := FILTERS[name](option, context)) is not None
    ]
