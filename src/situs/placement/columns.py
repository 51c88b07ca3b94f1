"""What placement knows of a fleet before a request comes, a column a fact, position by position.

It changes how long a decision takes, never the decision: whatever is kept here is kept under all
that it depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.cost import cost_of, rates_of
from situs.core.decision import Analysis, Exclusion, PolicyDecision
from situs.core.fleet import (
    SHUT,
    Deployment,
    DeploymentState,
    Health,
    LocusKind,
    Price,
    Role,
)
from situs.core.record import Usage
from situs.core.request import Request, Service
from situs.core.route import RoutedBy
from situs.core.snapshot import Beliefs, Snapshot
from situs.placement.estimates import UNKNOWN
from situs.placement.filters import LASTING, Context, Option, refusals
from situs.placement.latency import loaded
from situs.placement.lengths import answer_tokens, bounded, factor, usual_tokens
from situs.placement.quality import kind_of, on_the_whole, quality

_MOST = 256
_ROLES = {role: place for place, role in enumerate(Role)}


class Pulse(Struct, frozen=True):
    """How all deployments are doing. At those that are `shut` none can be served now.

    `load` is the share of the places in flight that is taken; the times are those of
    `latency.loaded`.
    """

    states: tuple[DeploymentState, ...]
    shut: frozenset[int]
    load: list[float]
    health: list[Health]
    base_s: list[float]
    prompt_s: list[float]
    token_s: list[float]
    context_s: list[float]


class Selection(Struct, frozen=True):
    """The positions that are left for good by policy and by what the request is, and why not."""

    at: list[int]
    exclusions: tuple[Exclusion, ...]


class Table:
    """Owns what is worked out once for a fleet, and what was last worked out of its states."""

    def __init__(self, deployments: tuple[Deployment, ...]) -> None:
        self.deployments = deployments
        self.names = [one.name for one in deployments]
        self.keys = [one.name.encode() for one in deployments]
        self.contexts = [one.model.context_tokens for one in deployments]
        self.least_context = min(self.contexts, default=0)
        self.roles = [_ROLES[one.role] for one in deployments]
        self.active = not any(self.roles)
        self.owned = [one.locus.owned for one in deployments]
        self.loci, _ = _kinds([one.locus.name for one in deployments])
        self.sites, sites = _kinds(list(zip(self.loci, self.roles, strict=True)))
        self.site_count = len(sites)
        self.family, families = _kinds([one.model.family for one in deployments])
        self.families = [deployments[at].model.family for at in families]
        self.model, models = _kinds([one.model for one in deployments])
        self.models = [deployments[at].model for at in models]
        self.price, priced = _kinds([_costs_alike(one) for one in deployments])
        self.priced = [deployments[at] for at in priced]
        self.rates = [rates_of(one) for one in deployments]
        self.tiered = any(one.price is not None and one.price.tiers for one in deployments)
        self.saves = [one.price is not None and _saves(one.price) for one in deployments]
        self.saving = any(self.saves)
        self._pulse: Pulse | None = None
        self._selections: dict[tuple[Any, ...], Selection] = {}
        self._qualities: dict[tuple[str, ...], list[float]] = {}
        self._to_rent: dict[tuple[Service, CapabilityClass], list[Deployment]] = {}
        self._factors: dict[tuple[str, ...], list[float]] = {}
        self._usual: tuple[Any, list[float], Sequence[int], float] = None, [], (), 0.0
        self._answers: tuple[tuple[Any, ...], list[int]] = (), []

    def pulse(self, states: tuple[DeploymentState, ...]) -> Pulse:
        """Only what changed since it was last asked is worked out."""
        known = self._pulse
        if known is None:
            known = Pulse((), frozenset(), [], [], [], [], [], [])
        elif known.states is states:
            return known
        self._pulse = pulse = _changed(known, states, self.deployments)
        return pulse

    def selection(self, verdict: PolicyDecision, context: Context) -> Selection:
        """What no change of the states, and no size, time or price of a request, can change.

        A filter in `LASTING` may look at nothing of the request but what stands in this key.
        """
        request, routed = context.request, context.analysis.routed
        key = (
            verdict.allowed,
            verdict.obligations,
            request.model,
            request.wire.service,
            request.modalities,
            request.tools,
            request.structured_output,
            request.copy and request.copy.at,
            context.objective,
            routed and (routed.by is RoutedBy.ASKED, routed.deployments),
        )
        known = self._selections.get(key)
        if known is None:
            if len(self._selections) >= _MOST:
                self._selections.clear()
            known = self._selections[key] = _select(self.deployments, verdict, context)
        return known

    def to_rent(self, service: Service, needs: CapabilityClass) -> list[Deployment]:
        """What a public cloud has that serves this and is able enough, one for each price."""
        known = self._to_rent.get((service, needs))
        if known is None:
            able = {
                self.price[at]: one
                for at, one in enumerate(self.deployments)
                if one.locus.kind is LocusKind.PUBLIC_CLOUD
                and service in one.model.serves
                and one.model.capability >= needs
            }
            known = self._to_rent[service, needs] = list(able.values())
        return known

    def qualities(self, analysis: Analysis, beliefs: Beliefs) -> list[float]:
        """The expected quality of each of `models`."""
        if final := beliefs.final:
            return [
                final.get(one.name) or quality(one, analysis, beliefs).mean for one in self.models
            ]
        if beliefs.table and not beliefs.digest:
            return [quality(model, analysis, beliefs).mean for model in self.models]
        key = kind_of(analysis), analysis.needs.value, beliefs.digest
        known = self._qualities.get(key)
        if known is None:
            if len(self._qualities) >= _MOST:
                self._qualities.clear()
            bare = msgspec.structs.replace(analysis, acceptable={})
            known = [quality(model, bare, beliefs).mean for model in self.models]
            self._qualities[key] = known
        if not (said := analysis.acceptable):
            return known
        return [
            quality(model, analysis, beliefs).mean if model.name in said else before
            for model, before in zip(self.models, known, strict=True)
        ]

    def answers(self, request: Request, analysis: Analysis, beliefs: Beliefs) -> list[int] | None:
        """The expected tokens of the answer of each of `models`; None where nothing was learned."""
        if not (beliefs.lengths.kinds or beliefs.answers):
            return None
        of = analysis, beliefs, request.max_completion_tokens, request.choices
        if self._answers[0] != of:
            self._answers = of, self._answers_anew(request, analysis, beliefs)
        return self._answers[1]

    def _answers_anew(self, request: Request, analysis: Analysis, beliefs: Beliefs) -> list[int]:
        if beliefs.answers:
            return [answer_tokens(one.name, request, analysis, beliefs) for one in self.models]
        kind = kind_of(analysis)
        key = kind, beliefs.digest
        known = self._factors.get(key) if beliefs.digest else None
        if known is None:
            if len(self._factors) >= _MOST:
                self._factors.clear()
            known = self._factors[key] = [factor(one.name, kind, beliefs) for one in self.models]
        return bounded(usual_tokens(analysis, beliefs), known, request)

    def usual_cost(self, at: Sequence[int], beliefs: Beliefs) -> float:
        """What a usual request costs at the model there that is best on the whole; of equals, at
        the cheapest. 0 without a price.
        """
        of, whole, there, cost = self._usual
        if of is not beliefs:
            whole = [on_the_whole(one, beliefs) for one in self.models]
        elif there == at:
            return cost
        best = max([whole[self.model[one]] for one in at])
        prompt, answer = beliefs.usual
        usage = Usage(round(prompt), round(answer))
        first = {self.price[one]: one for one in at if whole[self.model[one]] == best}
        costs = [cost_of(self.deployments[one], usage, 0) for one in first.values()]
        cost = min([one for one in costs if one is not None], default=0.0)
        self._usual = beliefs, whole, at, cost
        return cost


def table_of(snapshot: Snapshot) -> Table:
    """The table of its fleet, from its memory where there is one."""
    fleet, memory = snapshot.fleet, snapshot.memory
    if memory is None:
        return Table(fleet.deployments)
    key = b"fleet:" + fleet.digest.encode()
    known: Table | None = memory.get(key)
    if known is None or known.deployments is not fleet.deployments:
        known = Table(fleet.deployments)
        memory.put(key, known)
    return known


def _changed(
    known: Pulse, states: tuple[DeploymentState, ...], deployments: Sequence[Deployment]
) -> Pulse:
    columns: list[list[Any]]
    if len(known.states) == len(states):
        before = known.states
        changed = [at for at, (a, b) in enumerate(zip(before, states, strict=True)) if a is not b]
        columns = [
            list(column)
            for column in (
                known.load,
                known.health,
                known.base_s,
                known.prompt_s,
                known.token_s,
                known.context_s,
            )
        ]
    else:
        changed = list(range(len(states)))
        columns = [[None] * len(states) for _ in range(6)]
    load, health, base_s, prompt_s, token_s, context_s = columns
    shut = set(known.shut) - set(changed)
    for at in changed:
        deployment, state = deployments[at], states[at]
        most = deployment.max_in_flight
        load[at] = state.in_flight / most
        health[at] = state.health
        base_s[at], prompt_s[at], token_s[at], context_s[at] = loaded(deployment, state)
        if state.health in SHUT or state.in_flight >= most:
            shut.add(at)
    return Pulse(states, frozenset(shut), load, health, base_s, prompt_s, token_s, context_s)


def _select(
    deployments: Sequence[Deployment], verdict: PolicyDecision, context: Context
) -> Selection:
    allowed = set(verdict.allowed)
    at: list[int] = []
    exclusions: list[Exclusion] = []
    for position, deployment in enumerate(deployments):
        if deployment.name not in allowed:
            continue
        reasons = refusals(Option(deployment, DeploymentState(), UNKNOWN), context, LASTING)
        if reasons:
            exclusions += reasons
        else:
            at.append(position)
    return Selection(at, tuple(exclusions))


def _kinds(facts: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Which kind each is of, counted in the order in which they come, and who is first of each."""
    found: dict[Any, int] = {}
    firsts: list[int] = []
    for at, one in enumerate(facts):
        if one not in found:
            found[one] = len(firsts)
            firsts.append(at)
    return [found[one] for one in facts], firsts


def _saves(price: Price) -> bool:
    """Whether tokens that are in a cache have a price of their own."""
    tiers = any(one.cached_prompt is not None for one in price.tiers)
    return tiers or price.cached_prompt is not None


def _costs_alike(one: Deployment) -> tuple[Any, ...]:
    """All of a deployment that what a request costs there depends on (`core.cost`)."""
    locus = one.locus
    price = msgspec.json.encode(one.price)
    return price, one.model.family, locus.egress_price, locus.egress_price and locus.name
