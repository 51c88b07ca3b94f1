"""Deployments that a policy cannot tell apart: one of each kind is judged for all of its kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from situs.core.fleet import Deployment, FleetView
from situs.core.snapshot import Memory
from situs.policy.input import deployment_facts

Path = tuple[str, ...]
COST: Final[Path] = ("expected_cost",)
"""Among the facts, where a policy looks up what a request costs at the deployment, by its name."""
_encoder = msgspec.json.Encoder(order="sorted")


class Kinds(Struct, frozen=True):
    """`document` is the member `deployments` of the input; `named` are those that each stands for.

    Of each deployment only its name and what can change its verdict is there. `shown` are those
    that are in the document.
    """

    document: Raw
    shown: tuple[Deployment, ...]
    named: dict[str, tuple[str, ...]]


def kinds_of(fleet: FleetView, facts: AbstractSet[Path], memory: Memory | None) -> Kinds:
    """Made once for each fleet digest, where there is a memory. `facts` without the empty path."""
    key = b"kinds:" + fleet.digest.encode()
    known: Kinds | None = None if memory is None else memory.get(key)
    if known is None:
        known = _kinds(fleet, facts)
        if memory is not None:
            memory.put(key, known)
    return known


def _kinds(fleet: FleetView, facts: AbstractSet[Path]) -> Kinds:
    paths = _widest(facts - {COST})
    parts: list[dict[str, Any]] = []
    shown: dict[bytes, Deployment] = {}
    named: defaultdict[bytes, list[str]] = defaultdict(list)
    for deployment in fleet.deployments:
        whole = msgspec.to_builtins(deployment_facts(deployment))
        part = _part(whole, paths)
        key = _encoder.encode([part, _costs_alike(deployment) if COST in facts else None])
        if key not in shown:
            shown[key] = deployment
            parts.append({**part, "name": deployment.name})
        named[key].append(deployment.name)
    return Kinds(
        Raw(msgspec.json.encode(parts)),
        tuple(shown.values()),
        {shown[key].name: tuple(names) for key, names in named.items()},
    )


def _costs_alike(one: Deployment) -> tuple[Any, ...]:
    """All of a deployment that what a request costs there depends on (`core.cost`).

    The place decides what must be taken along, which costs nothing where sending is free.
    """
    locus = one.locus
    return one.price, one.model.family, locus.egress_price, locus.egress_price and locus.name


def _widest(facts: Iterable[Path]) -> list[Path]:
    """Without those that lie within another."""
    kept: list[Path] = []
    for path in sorted(facts):
        if not any(path[: len(one)] == one for one in kept):
            kept.append(path)
    return kept


def _part(whole: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for path in paths:
        inside, given = part, whole
        for place, name in enumerate(path):
            if place == len(path) - 1 or not isinstance(given[name], dict):
                inside[name] = given[name]
                break
            inside, given = inside.setdefault(name, {}), given[name]
    return part
