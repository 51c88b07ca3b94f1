"""What must hold of modes: a baseline where one is needed, and no setting without effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from situs.config.aims import Aims
from situs.config.problems import Path, Report, nearest
from situs.config.routing import Route
from situs.config.tree import Config
from situs.core.aim import BASED, Mode
from situs.core.request import Objective

_NEEDED: dict[str, Collection[Mode]] = {
    "baseline": BASED,
    "share": (Mode.PILOT,),
    "guard": (Mode.PILOT,),
}
"""In which modes a setting has an effect."""


def scopes(config: Config) -> Iterator[tuple[Path, Aims]]:
    """Where modes may be said, the widest first."""
    yield ("defaults",), config.defaults
    for name, tenant in config.tenants.items():
        yield ("tenants", name), tenant
    for name, route in config.routes.items():
        yield ("routes", name), route


def in_force(config: Config, aims: Aims, setting: str) -> Any:
    """What holds of a setting there, whoever asks: what is said there, or by the defaults."""
    own = getattr(aims, setting)
    return getattr(config.defaults, setting) if own is None else own


def check_modes(config: Config, report: Report) -> None:
    """Every mode can do what it says, and what is said for a mode has one."""
    declared = report.below("deployments")
    for path, aims in scopes(config):
        if not report.sound(path):
            continue
        if aims.baseline is not None and aims.baseline not in declared:
            what = "no such deployment is configured"
            report.add((*path, "baseline"), what, nearest=nearest(aims.baseline, declared))
            continue
        if aims.mode is Mode.NONE:
            _check_none(path, config, report)
        elif aims.mode is not None:
            _check_mode(aims, path, config, report)
        _check_effects(aims, path, config, report)
    for name, route in config.routes.items():
        baseline = in_force(config, route, "baseline")
        said = "baseline" if route.baseline else "mode" if route.mode in BASED else None
        if said and baseline and route.deployments and baseline not in route.deployments:
            what = "the baseline is not among the route's deployments, so it never serves it"
            report.add(("routes", name, said), what)


def doubt_modes(config: Config, report: Report) -> None:
    """What is no error, for it holds elsewhere: a mode that can do nothing in a nearer scope."""
    mode = config.defaults.mode
    for path, aims in scopes(config):
        if mode in (None, Mode.NONE) or aims is config.defaults or aims.mode is not None:
            continue
        if (found := _idle(mode, aims, config)) is not None:
            setting, why = found
            what = f"the mode {mode} of defaults has no effect here: {why}"
            report.add((*path, setting), f"{what}; say mode: none if that is meant")


def _idle(mode: Mode | None, aims: Aims, config: Config) -> tuple[str, str] | None:
    """The setting because of which the mode can do nothing there, and why."""
    owned = {
        name: config.loci[one.locus].owned
        for name, one in config.deployments.items()
        if one.locus in config.loci
    }
    baseline = in_force(config, aims, "baseline")
    if aims.objective is Objective.PRIVATE:
        if mode is Mode.CLOUD_DEFAULT:
            return "objective", "private leaves only owned places"
        if mode in BASED and not owned.get(baseline, True):
            return "objective", "private never lets the baseline serve, for it is not owned"
    among = aims.deployments if isinstance(aims, Route) else ()
    kinds = {owned[name] for name in among if name in owned}
    if among and mode in BASED and baseline not in among:
        return "deployments", "the baseline is not among them"
    if among and mode is Mode.CLOUD_DEFAULT and False not in kinds:
        return "deployments", "they are all owned"
    if among and mode is Mode.LOCAL_DEFAULT and True not in kinds:
        return "deployments", "none of them is owned"
    return None


def _check_none(path: Path, config: Config, report: Report) -> None:
    wider = [aims.mode for where, aims in scopes(config) if _is_nearer(path, where)]
    if all(mode in (None, Mode.NONE) for mode in wider):
        report.add((*path, "mode"), "none has no effect: no wider place says a mode; remove it")


def _check_mode(aims: Aims, path: Path, config: Config, report: Report) -> None:
    mode, where = aims.mode, (*path, "mode")
    if mode in BASED and in_force(config, aims, "baseline") is None:
        report.add(where, f"{mode} needs a baseline: the deployment that serves now")
    if mode is Mode.PILOT and in_force(config, aims, "share") is None:
        report.add(where, "pilot needs a share of the sessions, such as share: 0.1")
    if Objective.PRIVATE in (aims.objective, config.defaults.objective):  # it stays so
        _check_private(mode, path, in_force(config, aims, "baseline"), config, report)
    guard = in_force(config, aims, "guard")
    unsure = mode is Mode.PILOT and guard is not None and guard.metric == "unsure"
    if unsure and in_force(config, aims, "cascade") is None:
        where = (*path, "guard" if aims.guard else "mode")
        report.add(where, "unsure takes a cascade: without one, every answer is trusted")
    owned = {
        config.loci[one.locus].owned
        for one in config.deployments.values()
        if one.locus in config.loci
    }
    if mode is Mode.LOCAL_DEFAULT and True not in owned:
        report.add(where, "has no effect: no deployment is at an owned locus")
    if mode is Mode.CLOUD_DEFAULT and False not in owned:
        report.add(where, "has no effect: every deployment is at an owned locus")


def _check_private(
    mode: Mode | None, path: Path, baseline: str | None, config: Config, report: Report
) -> None:
    """`private` leaves only what is owned, in every mode."""
    where = (*path, "mode")
    if mode is Mode.CLOUD_DEFAULT:
        report.add(where, "has no effect: the objective private leaves only owned places")
    known = config.deployments.get(baseline or "") if mode in BASED else None
    locus = config.loci.get(known.locus) if known is not None else None
    if locus is not None and not locus.owned:
        what = "the baseline is not owned, so the objective private never lets it serve"
        report.add(where, what)


def _check_effects(aims: Aims, path: Path, config: Config, report: Report) -> None:
    """A setting counts where it is said, and in every nearer scope that does not say it."""
    for setting, modes in _NEEDED.items():
        if getattr(aims, setting) is None or in_force(config, aims, "mode") in modes:
            continue
        nearer = [own for where, own in scopes(config) if _is_nearer(where, path)]
        if not any(own.mode in modes and getattr(own, setting) is None for own in nearer):
            needs = " or ".join(modes)
            report.add((*path, setting), f"has no effect: it takes the mode {needs}; remove it")


def _is_nearer(one: Path, other: Path) -> bool:
    order = ("defaults", "tenants", "routes")
    return order.index(one[0]) > order.index(other[0])
