"""All that a worker needs to know, read and checked by the parent, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from situs.app.policies import policy_token
from situs.app.setting import Setting
from situs.config import build
from situs.config.artefacts import check_artefacts
from situs.config.policy_source import policy_checked
from situs.config.secrets import resolve
from situs.config.tree import Config
from situs.core.fleet import DeploymentState, FleetView
from situs.errors import ConfigError
from situs.fleet.board import MOST_DEPLOYMENTS
from situs.rego.embedded import Checked
from situs.runtimes.weights import load_lock


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


def load_plan(
    setting: Setting, generation: int, slots: Mapping[str, int], *, secrets: bool = True
) -> Plan:
    """Raises ConfigError, PolicyError or WeightsError: a plan holds together, or there is none.

    Without `secrets` it is good enough to decide on, and for nothing else.
    """
    config = setting.config
    check_artefacts(config, setting.data, setting.file)
    plan = Plan(
        generation=generation,
        config=config,
        data=str(setting.data),
        weights={name: entry.sha256 for name, entry in load_lock().items()},
        policy=policy_checked(config, setting.base, setting.data),
        secrets=_secrets(setting) if secrets else {},
        slots=_slots(config, slots),
        policy_token=policy_token(setting) if secrets else None,
    )
    build.fleet_of(config, plan.weights)
    return plan


def fleet_view(plan: Plan) -> FleetView:
    """The deployments of a plan, of which nothing is known yet."""
    deployments = build.fleet_of(plan.config, plan.weights)
    states = tuple(DeploymentState() for _ in deployments)
    return FleetView(deployments, states, build.fleet_digest(deployments))


def _secrets(setting: Setting) -> dict[str, str]:
    return {
        name: resolve(
            entry.endpoint.key, setting.base, at=f"deployments.{name}.endpoint.key"
        ).reveal()
        for name, entry in setting.config.deployments.items()
        if entry.endpoint is not None and entry.endpoint.key is not None
    }


def _slots(config: Config, known: Mapping[str, int]) -> dict[str, int]:
    """A cell for every deployment; one that had a cell before keeps it, none is given twice."""
    following = max(known.values(), default=-1) + 1
    new = [name for name in config.deployments if name not in known]
    if following + len(new) > MOST_DEPLOYMENTS:
        raise ConfigError(
            f"deployments: {len(new)} new names beside {following} known since the start; what is "
            f"in flight is counted for {MOST_DEPLOYMENTS} at most",
            do="Restart, which forgets the names of former fleets; or have fewer deployments.",
        )
    return {**known, **{name: following + place for place, name in enumerate(new)}}


def models_dir(plan: Plan) -> Path:
    return Path(plan.data) / "models"
