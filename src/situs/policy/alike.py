"""Deployments that a policy cannot tell apart: one of each kind is judged for all of its kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from situs.core.fleet import FleetView
from situs.core.snapshot import Memory
from situs.policy.input import deployment_facts

Path = tuple[str, ...]
_NAME: Final[Path] = ("name",)
_encoder = msgspec.json.Encoder(order="sorted")


class Kinds(Struct, frozen=True):
    """`document` is the member `deployments` of the input; `named` are those that each stands for.

    Of each deployment only its name and what can change its verdict is there.
    """

    document: Raw
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
    paths = _widest(facts)
    shown: dict[bytes, dict[str, Any]] = {}
    named: defaultdict[bytes, list[str]] = defaultdict(list)
    for deployment in fleet.deployments:
        whole = msgspec.to_builtins(deployment_facts(deployment))
        part = _part(whole, paths)
        key = _encoder.encode(part)
        shown.setdefault(key, {**part, "name": deployment.name})
        named[key].append(deployment.name)
    return Kinds(
        Raw(msgspec.json.encode(list(shown.values()))),
        {shown[key]["name"]: tuple(names) for key, names in named.items()},
    )


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
