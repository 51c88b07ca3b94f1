"""All that a worker needs to know, read and checked by the parent, as one value."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from situs.config import build
from situs.config.tree import Config
from situs.core.fleet import DeploymentState, FleetView
from situs.rego.engine import Checked


class Plan(Struct, frozen=True):
    """One generation of everything that is configured.

    `weights` are the digests of models.lock by name, `secrets` the API keys by deployment, `slots`
    the cells of the shared board by deployment, `policy_token` is what an OPA server is shown.
    """

    generation: int
    config: Config
    data: str
    weights: dict[str, str]
    policy: Checked
    secrets: dict[str, str]
    slots: dict[str, int]
    policy_token: str | None = None

    def __repr__(self) -> str:
        return f"Plan({self.generation})"  # the rest holds secrets


def fleet_view(plan: Plan) -> FleetView:
    """The deployments of a plan, of which nothing is known yet."""
    deployments = build.fleet_of(plan.config, plan.weights)
    states = tuple(DeploymentState() for _ in deployments)
    return FleetView(deployments, states, build.fleet_digest(deployments))


def models_dir(plan: Plan) -> Path:
    return Path(plan.data) / "models"
