"""What another configuration changes for requests: `situs config diff`, and a reload's question.

Secrets stand in a configuration as references only, so all of a change may be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from situs.analysis.labels import DEFAULT_FLOORS
from situs.config.paths import data_dir
from situs.config.policy_source import policy_checked
from situs.config.problems import dotted
from situs.config.terms import is_loopback
from situs.config.tree import Config, Locus
from situs.core.data import Leaves
from situs.core.fleet import KeyCustody, LocusKind, TrainingUse
from situs.core.heads import FindsNames
from situs.core.label import Label
from situs.core.ordered import Ordered

_Path = tuple[str, ...]


class Weight(Ordered):
    """What a change means for where requests may go, the gravest first.

    `LOOSER`: by the default policy, more may go there; or more callers are let in. `SOVEREIGNTY`: a
    place, a fact that policy judges by, or who is let in, is another one. `PLAIN`: neither.
    """

    LOOSER = "looser"
    SOVEREIGNTY = "sovereignty"
    PLAIN = "plain"


class Change(Struct, frozen=True):
    """One setting. `old` is None when it was added and `new` when it was removed.

    `takes` is what must happen before it holds: a reload, or a restart.
    """

    path: str
    kind: Literal["added", "removed", "changed"]
    old: Any
    new: Any
    takes: Literal["reload", "restart"]
    weight: Weight


_FIXED: Final = frozenset({"version", "server", "receipts", "telemetry"})
"""The sections that belong to the process; others, one generation of workers hands to the next."""

_KINDS: Final = (
    LocusKind.PUBLIC_CLOUD,
    LocusKind.SOVEREIGN_CLOUD,
    LocusKind.ON_PREM,
    LocusKind.EDGE,
    LocusKind.DEVICE,
)
_TRAINING: Final = (
    TrainingUse.UNKNOWN,
    TrainingUse.ALLOWED,
    TrainingUse.OPT_OUT,
    TrainingUse.NONE,
)
_LEAVES: Final = (Leaves.NEVER, Leaves.JURISDICTION, Leaves.ANYWHERE)
_FACTS: Final = frozenset(Locus.__struct_fields__) - {"egress_price"}


def diff(
    old: Config, new: Config, policies: tuple[str | None, str | None] = (None, None)
) -> tuple[Change, ...]:
    """All changes, the gravest first, then by path. `policies` are the digests of both, if known.

    Defaults count as if they were written out, and the order of a file counts for nothing.
    """
    before, after = _plain(old), _plain(new)
    changes = [_change(path, was, now, old, new) for path, was, now in _walk(before, after, ())]
    was, now = policies
    if was is not None and now is not None and was != now:
        changes.append(Change("policy", "changed", was, now, "reload", Weight.SOVEREIGNTY))
    return tuple(sorted(changes, key=lambda change: (change.weight, change.path)))


def policy_digest(config: Config, base: Path) -> str:
    """The digest of the policy that `config` names; raises PolicyError when it cannot be loaded.

    `base` is the folder of the configuration file.
    """
    return policy_checked(config, base, data_dir(None)).digest


def as_json(changes: Iterable[Change]) -> str:
    return msgspec.json.format(msgspec.json.encode(list(changes)), indent=2).decode()


def as_lines(changes: Iterable[Change]) -> Iterator[str]:
    """One for each change: `!!` lets more pass, `!` is a matter of sovereignty."""
    marks = {Weight.LOOSER: "!!", Weight.SOVEREIGNTY: "! ", Weight.PLAIN: "  "}
    for one in changes:
        restart = "  (takes a restart)" if one.takes == "restart" else ""
        yield f"{marks[one.weight]} {one.path}: {_said(one)}{restart}"


def _said(change: Change) -> str:
    if change.kind == "changed":
        return f"{_shown(change.old)} -> {_shown(change.new)}"
    value = change.new if change.kind == "added" else change.old
    if not isinstance(value, Mapping):
        return f"{change.kind} {_shown(value)}"
    if {"model", "locus"} <= value.keys():
        return f"{change.kind} ({value['model']} at {value['locus']})"
    if {"jurisdiction", "owned"} <= value.keys():
        owned = "owned" if value["owned"] else "not owned"
        return f"{change.kind} ({value['kind']}, {value['jurisdiction']}, {owned})"
    return change.kind


def _shown(value: Any) -> str:
    return "none" if value is None else msgspec.json.encode(value).decode()


def _plain(config: Config) -> dict[str, Any]:
    """Every floor of a label stands in it, so that an override taken away is a change of it."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    floors = {**DEFAULT_FLOORS, **config.labels.floors}
    plain["labels"] = {**plain["labels"], "floors": {k: v.value for k, v in floors.items()}}
    return plain


def _walk(old: Any, new: Any, path: _Path) -> Iterator[tuple[_Path, Any, Any]]:
    """The deepest settings that differ; what was added or removed as a whole is one."""
    if old == new:
        return
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield path, old, new
        return
    for name in sorted({*old, *new}):
        yield from _walk(old.get(name), new.get(name), (*path, name))


def _change(path: _Path, was: Any, now: Any, old: Config, new: Config) -> Change:
    kind: Literal["added", "removed", "changed"] = "changed"
    if was is None or now is None:
        kind = "added" if was is None else "removed"
    return Change(
        path=dotted(path),
        kind=kind,
        old=was,
        new=now,
        takes="restart" if path[0] in _FIXED else "reload",
        weight=_weight(path, was, now, (old, new)),
    )


def _weight(path: _Path, was: Any, now: Any, configs: tuple[Config, Config]) -> Weight:
    match path:
        case ("home",):
            at_home = any(locus.jurisdiction == now for locus in configs[1].loci.values())
            return Weight.LOOSER if at_home else Weight.SOVEREIGNTY
        case ("labels", "floors", _) | ("defaults", "label" | "unread_label"):
            return Weight.LOOSER if Label(now) < Label(was) else Weight.SOVEREIGNTY
        case ("policy" | "data", *_):
            return _weight_of_terms(path, was, now)
        case ("labels", "lists", _, *part):
            return _weight_of_list(part, was, now)
        case ("analysis", "names"):
            return Weight.LOOSER if now == FindsNames.NEVER else Weight.SOVEREIGNTY
        case ("analysis", "artefacts", "names"):
            return Weight.SOVEREIGNTY
        case ("server", "host" | "require_key" | "allowed_hosts" | "allowed_origins" as door):
            return _weight_of_door(door, was, now)
        case ("loci", name, *facts):
            return _weight_of_place(name, facts, configs)
        case ("deployments", name, *parts):
            return _weight_of_deployment(name, parts, now, configs)
    return Weight.PLAIN


def _weight_of_terms(path: _Path, was: Any, now: Any) -> Weight:
    """Of policy and data sets: a lower label, or further away from where the data lie."""
    match path:
        case ("data", _, "label"):
            looser = Label(now) < Label(was)
        case ("data", _, "leaves"):
            looser = _LEAVES.index(Leaves(now)) > _LEAVES.index(Leaves(was))
        case _:
            looser = False
    return Weight.LOOSER if looser else Weight.SOVEREIGNTY


def _weight_of_list(part: list[str], was: Any, now: Any) -> Weight:
    """Of own words and patterns: fewer of them, a lower label, or fewer tenants they are for."""
    match part:
        case []:
            looser = now is None
        case ["label"]:
            looser = Label(now) < Label(was)
        case ["tenants"]:
            looser = bool(now) and not (was and set(was) <= set(now))
        case _:
            looser = not set(was) <= set(now)
    return Weight.LOOSER if looser else Weight.SOVEREIGNTY


def _weight_of_door(door: str, was: Any, now: Any) -> Weight:
    """Of what says who may call."""
    match door:
        case "host":
            wider = is_loopback(was) and not is_loopback(now)
        case "require_key":
            wider = not now
        case _:
            wider = not set(now) <= set(was)
    return Weight.LOOSER if wider else Weight.SOVEREIGNTY


def _weight_of_place(name: str, facts: list[str], configs: tuple[Config, Config]) -> Weight:
    if not facts:
        return Weight.SOVEREIGNTY
    if facts[0] not in _FACTS:
        return Weight.PLAIN
    looser = _looser(configs[0].loci[name], configs[1].loci[name], configs)
    return Weight.LOOSER if facts[0] in looser else Weight.SOVEREIGNTY


def _weight_of_deployment(
    name: str, parts: list[str], now: Any, configs: tuple[Config, Config]
) -> Weight:
    match parts:
        case [] | ["endpoint" | "runtime"] | ["endpoint", "url"]:
            return Weight.SOVEREIGNTY
        case ["endpoint", "insecure"]:
            return Weight.LOOSER if now else Weight.SOVEREIGNTY
        case ["locus"]:
            old, new = (config.loci[config.deployments[name].locus] for config in configs)
            return Weight.LOOSER if _looser(old, new, configs) else Weight.SOVEREIGNTY
    return Weight.PLAIN


def _looser(was: Locus, now: Locus, configs: tuple[Config, Config]) -> frozenset[str]:
    """The facts by which the default policy lets more pass than before."""
    homes = [config.home for config in configs]
    facts: dict[str, tuple[Any, Any]] = {
        "owned": (was.owned, now.owned),
        "kind": (_KINDS.index(was.kind), _KINDS.index(now.kind)),
        "key_custody": (
            was.key_custody is KeyCustody.CUSTOMER,
            now.key_custody is KeyCustody.CUSTOMER,
        ),
        "training_use": (_TRAINING.index(was.training_use), _TRAINING.index(now.training_use)),
        "retention": (was.retention != "unknown", now.retention != "unknown"),
        "jurisdiction": (was.jurisdiction == homes[0], now.jurisdiction == homes[1]),
        "evidence_until": (was.evidence_until or "no end", now.evidence_until or "no end"),
    }
    return frozenset(name for name, (before, after) in facts.items() if after > before)
