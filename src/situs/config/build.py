"""The tree to the values that the rest of the house works with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from situs.analysis.sensitivity.lists import rows
from situs.analysis.sensitivity.table import Table, extended
from situs.analysis.token_families import UNKNOWN, family_of
from situs.config.aims import Aims
from situs.config.prices_effective import prices_of
from situs.config.tree import Config, Endpoint, LlamaCpp, Onnx
from situs.config.tree import Deployment as Entry
from situs.config.tree import Model as ModelEntry
from situs.core.aim import Aim, Cascade, Mode
from situs.core.data import DataSet
from situs.core.fleet import Deployment, Locus, Model, PrefixCache, Speed
from situs.core.label import Label
from situs.core.route import Route, Rule
from situs.core.snapshot import Labels
from situs.errors import WeightsError
from situs.runtimes.onnx import OnnxSpec, onnx_spec
from situs.stores.signatory import Pace

LOCAL_NODE = "local"
"""The node of every runtime: the machine that the gateway runs on."""


def fleet_of(config: Config, weights: Mapping[str, str]) -> tuple[Deployment, ...]:
    """All deployments in the order of their names, so that the file's order changes nothing.

    `weights` maps names in models.lock (what `models.*.file` says) to SHA-256 in hex. Only a
    runtime's deployment carries a digest: an endpoint's weights cannot be checked. Raises
    WeightsError for a name that the lock does not have.
    """
    prices = prices_of(config)
    return tuple(
        Deployment(
            name=name,
            model=_model(config, entry, weights),
            locus=_locus(config, entry.locus),
            node=_node(entry),
            price=prices[name].price,
            speed=msgspec.convert(entry.speed, Speed, from_attributes=True),
            max_in_flight=entry.max_in_flight,
            no_retention=entry.endpoint.no_retention if entry.endpoint else None,
            role=entry.role,
            cache=_cache(entry),
            logprobs=says_logprobs(entry),
        )
        for name, entry in sorted(config.deployments.items())
    )


def fleet_digest(deployments: Sequence[Deployment]) -> str:
    """SHA-256 in hex of `fleet_document`."""
    return hashlib.sha256(fleet_document(deployments)).hexdigest()


def fleet_document(deployments: Sequence[Deployment]) -> bytes:
    """Canonical JSON of the static facts: keys and sets sorted, no white space."""
    return msgspec.json.encode(deployments, order="sorted")


def aim_of(config: Config) -> Aim:
    """What placement aims at where neither tenant nor route say otherwise."""
    return replace(Aim(), **said(config.defaults, "defaults"))


def said(aims: Aims, scope: str) -> dict[str, Any]:
    """The fields of an `Aim` that are said here; `scope` is what here is called."""
    fields = {name: getattr(aims, name, None) for name in Aim.__struct_fields__}
    known = {name: value for name, value in fields.items() if value is not None}
    if aims.mode is not None:
        known["scope"] = scope
    if aims.mode is Mode.NONE:
        known["mode"] = None
    if aims.cascade is not None:
        known["cascade"] = msgspec.convert(aims.cascade, Cascade, from_attributes=True)
    return known


def labels_of(config: Config, table: Mapping[str, Label]) -> Labels:
    """The floors of `table` with the configured changes and lists, and the default labels."""
    lists = {kind: own.label for kind, own in config.labels.lists.items()}
    return Labels(
        floors={**table, **lists, **config.labels.floors},
        default=config.defaults.label,
        unread=config.defaults.unread_label,
        data={name: entry.label for name, entry in config.data.items()},
    )


def data_of(config: Config) -> dict[str, DataSet]:
    """The declared data sets by name."""
    return {
        name: DataSet(
            name=name,
            label=entry.label,
            loci=tuple(sorted(entry.loci)),
            jurisdiction=entry.jurisdiction,
            leaves=entry.leaves,
            size_mb=entry.size_mb,
            moved_mb=entry.moved_mb,
        )
        for name, entry in config.data.items()
    }


def tables_of(config: Config) -> dict[str, Table]:
    """What requests are read with, by tenant; under "" for all others. Empty without lists.

    Compiles: tens of milliseconds for each entry.
    """
    lists = config.labels.lists
    tenants = {"", *(tenant for own in lists.values() for tenant in own.tenants)}
    chosen = {
        tenant: [
            row
            for kind, own in lists.items()
            if not own.tenants or tenant in own.tenants
            for row in rows(kind, own.keywords, own.patterns)
        ]
        for tenant in tenants
    }
    return {tenant: extended(found) for tenant, found in chosen.items() if found}


def routes_of(config: Config) -> dict[str, Route]:
    """The routes by name, in the order of the file: of two rules that match, the first wins."""
    return {
        name: Route(
            name=name,
            samples=entry.samples,
            rules=tuple(Rule(rule.exact, rule.keywords, rule.pattern) for rule in entry.rules),
            deployments=frozenset(entry.deployments),
            answer=entry.answer,
            data=entry.data,
        )
        for name, entry in config.routes.items()
    }


def files_of(config: Config) -> tuple[str, ...]:
    """The names in models.lock of all that the runtimes load, each once."""
    run = [config.models[d.model] for d in config.deployments.values() if d.runtime is not None]
    names = [name for model in run for name in (model.file, model.tokenizer) if name is not None]
    return tuple(dict.fromkeys(names))


def onnx_of(model: ModelEntry, runtime: Onnx, models_dir: Path) -> OnnxSpec:
    """What an onnx runtime loads. Raises WeightsError for names that the lock does not have."""
    return onnx_spec(
        model.file or "",
        model.tokenizer or "",
        models_dir,
        context_tokens=model.context_tokens,
        dimensions=model.dimensions or 0,
        threads=runtime.threads,
    )


def policy_paths(config: Config, base: Path) -> tuple[Path, ...]:
    """The configured policy files; `base` is the folder of the configuration file."""
    return tuple(base / Path(path).expanduser() for path in config.policy.paths)


def own_kinds(config: Config) -> tuple[str, ...]:
    """The kinds of finding that its lists add."""
    return tuple(config.labels.lists)


def pace_of(config: Config) -> Pace:
    """When segments of the record end, and when its lines are durable."""
    receipts = config.receipts
    return Pace(
        segment_bytes=receipts.rotate_mb * 1_000_000,
        segment_s=receipts.rotate_h * 3600.0,
        sync_first=receipts.sync == "before_dispatch",
    )


def base_url(endpoint: Endpoint) -> str:
    """Ready for a path beginning with `/`."""
    return endpoint.url.rstrip("/")


def upstream_model(entry: Entry) -> str:
    """The name to ask the deployment's server for."""
    return (entry.endpoint.model if entry.endpoint else None) or entry.model


def _model(config: Config, entry: Entry, weights: Mapping[str, str]) -> Model:
    model = config.models[entry.model]
    context_tokens, digest = model.context_tokens, None
    if entry.runtime is not None:
        if isinstance(entry.runtime, LlamaCpp):
            context_tokens = entry.runtime.context_tokens or context_tokens
        digest = weights.get(model.file or "")
        if digest is None:
            raise WeightsError(
                f"models.{entry.model}.file: models.lock has no {model.file}",
                do="Name one that `situs models list` shows.",
            )
    return Model(
        name=entry.model,
        capability=model.capability,
        context_tokens=context_tokens,
        modalities=frozenset(model.modalities),
        serves=frozenset(model.serves),
        tools=model.tools,
        structured_output=model.structured_output,
        weights=digest,
        licence=model.licence,
        origin=model.origin,
        family=model.family or _family(model.file, upstream_model(entry), entry.model),
    )


def _locus(config: Config, name: str) -> Locus:
    return Locus(name=name, **msgspec.structs.asdict(config.loci[name]))


def _cache(entry: Entry) -> PrefixCache:
    """A llama.cpp that runs here keeps a prompt in each of its slots."""
    if isinstance(entry.runtime, LlamaCpp):
        return PrefixCache(slots=entry.runtime.parallel)
    if entry.cache is None:
        return PrefixCache()
    return PrefixCache(entry.cache.tokens, entry.cache.slots)


def says_logprobs(entry: Entry) -> bool:
    """Whether it says how probable each token was; llama.cpp does."""
    if entry.endpoint is not None:
        return entry.endpoint.logprobs
    return isinstance(entry.runtime, LlamaCpp)


def _node(entry: Entry) -> str:
    return LOCAL_NODE if entry.endpoint is None else urlsplit(entry.endpoint.url).netloc


def _family(*names: str | None) -> str:
    """What the first of a model's names says that says anything."""
    found = (family_of(name) for name in names if name is not None)
    return next((one for one in found if one != UNKNOWN), UNKNOWN)
