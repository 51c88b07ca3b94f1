"""What a worker makes of a plan: what requests are understood by, and what decides on them."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.routes import compile_routes
from situs.app.heads import REQUEST, acceptable_head, load_confidences, load_heads, sample_vectors
from situs.app.plan import Plan, fleet_view
from situs.config import build
from situs.config.analysis import Analysis
from situs.config.tree import Labels as LabelSettings
from situs.core.capability import CapabilityClass
from situs.core.heads import Heads
from situs.core.route import Route
from situs.core.snapshot import Confidences, Labels, Routes, Snapshot
from situs.policy.memory import Memory
from situs.rego.engine import make_ready
from situs.trust.canaries import load_canaries


class Insight(Struct, frozen=True):
    """What requests are understood by: heads, routes fitted to them, and lists of own words."""

    analysis: Analysis
    routes: dict[str, Route]
    lists: LabelSettings
    heads: Heads
    fitted: Routes
    labels: Labels
    models: dict[str, CapabilityClass]
    confidences: Confidences = Confidences()


def insight_of(plan: Plan, known: Insight | None = None) -> Insight:
    """May take seconds: routes are fitted to their samples. What `known` has is not made again."""
    config = plan.config
    analysis, routes, lists = config.analysis, build.routes_of(config), config.labels
    same = known is not None and known.analysis == analysis
    sampled = any(route.samples for route in routes.values())
    same = same and (known is None or bool(known.heads.routes.gist) or not sampled)
    needed = REQUEST | {"routes"} if sampled else REQUEST
    heads = known.heads if known and same else load_heads(analysis, Path(plan.data), needed)
    models = {name: model.capability for name, model in config.models.items()}
    if known is None or not same or known.models != models:
        heads = replace(heads, acceptable=acceptable_head(analysis, Path(plan.data), models))
    fitted = known.fitted if known and same and known.routes == routes else None
    if known is not None and known.lists == lists:
        tables = known.labels.tables
    else:
        tables = build.tables_of(config)
    labels = replace(build.labels_of(config, DEFAULT_FLOORS), tables=tables)
    fitted = fitted or compile_routes(routes, heads, sample_vectors(routes, heads, Path(plan.data)))
    if known is not None and same:
        confidences = known.confidences
    else:
        confidences = load_confidences(analysis, Path(plan.data))
    return Insight(analysis, routes, lists, heads, fitted, labels, models, confidences)


def snapshot_of(plan: Plan, insight: Insight) -> Snapshot:
    """The deciding half of a plan; its policy judges on this thread only."""
    config = plan.config
    return Snapshot(
        fleet=fleet_view(plan),
        policy=make_ready(plan.policy),
        labels=insight.labels,
        aim=build.aim_of(config),
        tenants={name: build.said(e, f"tenants.{name}") for name, e in config.tenants.items()},
        aims={name: build.said(e, f"routes.{name}") for name, e in config.routes.items()},
        home=config.home or "",
        routes=insight.fitted,
        heads=insight.heads,
        data=build.data_of(config),
        canaries=tuple(token.encode() for token in load_canaries(Path(plan.data)).values()),
        confidences=insight.confidences,
        memory=Memory(2),
    )
