"""A plan from a configuration: everything that it names is read and checked, or there is none."""

from __future__ import annotations

from collections.abc import Mapping

from situs.app.plan import Plan
from situs.app.policy_server import policy_token
from situs.app.setting import Setting
from situs.config import build
from situs.config.artefacts import check_artefacts
from situs.config.policy_source import policy_checked
from situs.config.secrets import resolve
from situs.config.tree import Config
from situs.errors import ConfigError
from situs.fleet.board import MOST_DEPLOYMENTS
from situs.runtimes.weights import load_lock


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
