"""A configuration of another gateway as one of Situs: `situs config import`.

The text is made to be read: what was guessed says so, and what has no counterpart stands at its
end with its place in the source. Literal keys go to files of their own and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from situs.config.imports.known import Place, place_of
from situs.config.imports.litellm import Found, Left, Source, printable, read_source
from situs.config.imports.litellm_model import Facts
from situs.config.load import examine
from situs.config.prices import Price
from situs.config.problems import Report, as_error
from situs.config.secrets import Secret
from situs.config.terms import is_loopback
from situs.config.tree import Deployment, Endpoint, Locus, Model
from situs.errors import ConfigError

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*|[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?")
_WORDS: Final = frozenset({"null", "Null", "NULL", "true", "false"})
_COLUMN: Final = 34
_WIDTH: Final = 100
_AMORTISED: Final = Price(currency="USD", prompt=0.02, completion=0.05)
_GUESSED: Final = "guessed"


class Imported(Struct, frozen=True):
    """`text` passes `situs config check` where `keys` are written and its variables are set."""

    text: str
    keys: tuple[Secret, ...]
    deployments: int
    refused: int
    left: int


class _Fleet(Struct, frozen=True):
    """What the text says, by name; `notes` are by path, `keys` literal ones with their places."""

    loci: dict[str, Locus]
    models: dict[str, Model]
    deployments: dict[str, Deployment]
    notes: dict[tuple[str, ...], str]
    keys: tuple[Secret, ...]


def import_litellm(path: Path, home: str | None = None, keys_dir: str | None = None) -> Imported:
    """Reads a LiteLLM proxy's file. Literal keys get names in `keys_dir`; nothing is written.

    Raises ConfigError for what cannot be read, when nothing can be taken over, and when there are
    literal keys but no `keys_dir`.
    """
    source = read_source(path)
    if not source.found:
        raise _nothing(path, source)
    if keys_dir is None and (literal := [one for one in source.found if _is_literal(one)]):
        places = "\n".join(f"{one.at}: {one.model}: a literal api_key" for one in literal)
        do = "Give --keys-dir DIR: each key goes to a file there that only you can read."
        raise ConfigError(places, do=do)
    fleet = _fleet(source, home, keys_dir or "")
    text = _text(printable(path.name), source, fleet, home)
    report = Report("the imported configuration")
    if examine(text, report).config is None:
        raise as_error(report.problems)
    return Imported(
        text, fleet.keys, len(source.found), len(source.refused), len(source.left)
    )  # fmt: skip


def write_keys(keys: Iterable[Secret], base: Path) -> None:
    """Each to the file that its reference names, of mode 600; `base` is where the text will stand.

    A file that is there already stays if it holds the same key. Raises ConfigError if not.
    """
    for key in keys:
        path = base / Path(key.reference.removeprefix("file:")).expanduser()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = key.reveal().encode("ascii") + b"\n"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if path.is_file() and path.read_bytes() == content:
                path.chmod(0o600)
                continue
            do = "Move it away, or name another --keys-dir."
            raise ConfigError(f"{path}: is there already, with something else", do=do) from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _is_literal(found: Found) -> bool:
    return isinstance(found.key, Secret)


def _nothing(path: Path, source: Source) -> ConfigError:
    if not source.refused:
        do = "Name the YAML file that the LiteLLM proxy is started with."
        return ConfigError(f"{printable(str(path))}: no model_list with deployments", do=do)
    lines = [f"{one.at}: {one.why}" for one in source.refused]
    do = "Situs speaks OpenAI's wire to endpoints; give at least one such deployment."
    return ConfigError("\n".join(["nothing in it can be taken over", *lines]), do=do)


def _fleet(source: Source, home: str | None, keys_dir: str) -> _Fleet:
    fleet = _Fleet({}, {}, {}, {}, ())
    models: dict[str, list[Facts]] = {}
    keys: dict[str, Secret] = {}
    taken = {found.model for found in source.found}
    for found in source.found:
        place = place_of(urlsplit(found.url).hostname or "", home)
        fleet.loci[place.name] = place.locus
        _note_place(place, fleet.notes)
        models.setdefault(found.model, []).append(found.facts)
        name = _free(f"{found.model}-{place.name}", taken)
        key = found.key
        if isinstance(key, Secret):
            value, plain = key.reveal(), re.sub(r"[^A-Za-z0-9._-]", "-", name)
            known = keys.setdefault(value, Secret(f"file:{_below(keys_dir)}{plain}", value))
            key = known.reference
        fleet.deployments[name] = _deployment(found, key, place, ("deployments", name), fleet.notes)
    for name, said in models.items():
        fleet.models[name] = _least(said)
        for guess in set().union(*(facts.guessed for facts in said)):
            fleet.notes["models", name, guess] = _GUESSED
    return msgspec.structs.replace(fleet, keys=tuple(keys.values()))


def _below(keys_dir: str) -> str:
    return "" if keys_dir in ("", ".") else keys_dir.rstrip("/") + "/"


def _note_place(place: Place, notes: dict[tuple[str, ...], str]) -> None:
    notes["loci", place.name] = place.note
    if place.locus.owned:
        notes["loci", place.name, "retention"] = "guessed: what do its servers keep?"
    else:
        notes["loci", place.name, "retention"] = "state what the contract says; until then,"
        notes["loci", place.name, "training_use"] = "nothing internal goes there"


def _free(name: str, taken: set[str]) -> str:
    """No deployment is named as a model: a name in a request means one thing."""
    candidate, number = name[:64], 2
    while candidate in taken:
        suffix = f"-{number}"
        candidate, number = name[: 64 - len(suffix)] + suffix, number + 1
    taken.add(candidate)
    return candidate


def _deployment(
    found: Found,
    key: str | None,
    place: Place,
    path: tuple[str, ...],
    notes: dict[tuple[str, ...], str],
) -> Deployment:
    parts = urlsplit(found.url)
    exposed = parts.scheme == "http" and not is_loopback(parts.hostname or "")
    price = found.price
    notes[path] = found.at
    if exposed:
        notes[(*path, "endpoint", "insecure")] = "http without TLS, as it was"
    if place.locus.owned and (price is None or 0 in (price.prompt, price.completion)):
        price = _AMORTISED
        notes[(*path, "price")] = "guessed: state what this machine costs, spread over its tokens"
    if price is not None and price.cached_prompt == 0 and place.locus.owned:
        price = msgspec.structs.replace(price, cached_prompt=None)
    return Deployment(
        model=found.model,
        locus=place.name,
        endpoint=Endpoint(
            url=found.url,
            key=key,
            model=found.upstream if found.upstream != found.model else None,
            insecure=exposed,
        ),
        price=price,
        max_in_flight=found.max_in_flight or 64,
    )


def _least(said: list[Facts]) -> Model:
    """One name is one model for Situs: what all of its deployments can do."""
    models = [facts.model for facts in said]
    first = models[0]
    return msgspec.structs.replace(
        first,
        capability=min(model.capability for model in models),
        context_tokens=min(model.context_tokens for model in models),
        modalities=min((model.modalities for model in models), key=len),
        serves=first.serves,
        tools=all(model.tools for model in models),
        structured_output=all(model.structured_output for model in models),
    )


def _text(name: str, source: Source, fleet: _Fleet, home: str | None) -> str:
    lines = [
        f"# Made from {name} by `situs config import litellm`. Read it before you use it: Situs",
        "# decides by these facts where a request may go.",
        "",
        "version: 1",
    ]
    if home is not None:
        lines.append(f"home: {_scalar(home)}")
    else:
        lines.append("# home: CC  # your jurisdiction; --home sets it")
    if source.timeout_s is not None:
        lines += ["", "defaults:", f"  answer_timeout_s: {_scalar(source.timeout_s)}"]
    for section in ("loci", "models", "deployments"):
        lines += ["", f"{section}:"]
        for key, value in getattr(fleet, section).items():
            lines += _table(key, _settings(value), (section, key), fleet.notes)
    if source.refused:
        lines += ["", "# Deployments that were not taken over:", *_listed(source.refused)]
    if source.left:
        lines += ["", "# Settings that have no counterpart here:", *_listed(source.left)]
    return "\n".join(lines) + "\n"


def _settings(value: Struct) -> dict[str, Any]:
    """Those that differ from their defaults, and every fact that somebody must look at."""
    shown = {"retention", "training_use", "tools", "structured_output", "modalities", "serves"}
    plain = msgspec.to_builtins(value)
    fields = {field.name: field.default for field in msgspec.structs.fields(type(value))}
    return {
        name: _settings(getattr(value, name)) if isinstance(one, dict) else one
        for name, one in plain.items()
        if name in shown or one != msgspec.to_builtins(_default(fields[name]))
    }


def _default(value: Any) -> Any:
    return None if value is msgspec.NODEFAULT else value


def _table(
    key: str,
    said: Mapping[str, Any],
    path: tuple[str, ...],
    notes: Mapping[tuple[str, ...], str],
) -> Iterator[str]:
    indent = "  " * (len(path) - 1)
    yield from _noted(f"{indent}{_scalar(key)}:", notes.get(path, ""))
    for name, value in said.items():
        here = (*path, name)
        if isinstance(value, dict):
            yield from _table(name, value, here, notes)
            continue
        shown = f"[{', '.join(value)}]" if isinstance(value, tuple) else _scalar(value)
        yield from _noted(f"{indent}  {name}: {shown}", notes.get(here, ""))


def _noted(line: str, note: str) -> Iterator[str]:
    """The note stands behind the line, or above it where it is long."""
    beside = f"{line:<{_COLUMN}}  # {note}"
    if note and len(beside) > _WIDTH:
        yield f"{' ' * (len(line) - len(line.lstrip()))}# {note}"
    yield beside if note and len(beside) <= _WIDTH else line


def _scalar(value: str | float | bool) -> str:
    """Text in quotes unless it needs none; the tree reads every scalar by what it expects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.12g}"
    plain = _PLAIN.fullmatch(value) and value not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def _listed(lines: Iterable[Left]) -> Iterator[str]:
    for one in lines:
        why = f": {one.why}" if one.why else ""
        yield printable(f"# - {one.at} {one.path}{why}")
