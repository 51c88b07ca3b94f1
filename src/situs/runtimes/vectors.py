"""Keeps the vectors of configured texts in a file, so that they are encoded once for all processes.

A file is of one encoder: its name says which. The texts themselves are not in it, only digests.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from situs.core.heads import Encode

_log = logging.getLogger(__name__)

MOST, FILES = 32_768, 4
"""Vectors that a file keeps (those asked for last; some 50 MB), and files in a folder."""

_KEY = 16


def vectors_file(folder: Path, encoder: str) -> Path:
    """Where the vectors of the encoder of this digest lie."""
    return folder / f"vectors-{encoder[:16]}.npz"


def kept_vectors(texts: Sequence[str], encode: Encode, file: Path) -> dict[str, Any]:
    """The vector of each text, bit for bit what `encode` gives; what `file` lacks is added to it.

    While one process encodes, the others wait for it. A damaged file is made anew; where none can
    be written, all goes on without. The folder of the file is made, its parents are not. What
    `encode` raises passes.
    """
    keys = {text: _digest(text) for text in texts}
    kept = _read(file)
    if not all(key in kept for key in keys.values()):
        with _alone(file):
            kept = _read(file)
            missing = [text for text, key in keys.items() if key not in kept]
            if missing:
                new = zip((keys[text] for text in missing), encode(missing), strict=True)
                kept = {**kept, **dict(new)}
                _write(file, keys.values(), kept)
    return {text: kept[key] for text, key in keys.items()}


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY).digest()


def _read(file: Path) -> dict[bytes, Any]:
    """By digest of the text, those asked for last first; nothing where the file is no good."""
    import numpy as np

    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            keys, vectors = arrays["keys"], arrays["vectors"]
        if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != _KEY:
            raise ValueError("keys")
        if vectors.dtype != np.float32 or vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError("vectors")
        return dict(zip(map(bytes, keys), vectors, strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        what = "%s cannot be used (%s); the vectors of samples are encoded anew"
        _log.warning(what, file, type(error).__name__)
        return {}


def _write(file: Path, wanted: Iterable[bytes], kept: dict[bytes, Any]) -> None:
    """Whole or not at all: what is wanted now, and of the rest what was asked for last."""
    import numpy as np

    keys = list(dict.fromkeys((*wanted, *kept)))[:MOST]
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            flat = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY)
            np.savez(out, keys=flat, vectors=np.stack([kept[key] for key in keys]))
        part.replace(file)
        _forget(file.parent)
    except FileNotFoundError:
        return  # there is no data directory: nothing is kept at all
    except (OSError, ValueError) as error:
        _log.warning("the vectors of samples are not kept in %s (%s)", file, type(error).__name__)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _forget(folder: Path) -> None:
    """Of encoders that were used long ago, nothing is kept."""
    files = sorted(folder.glob("vectors-*.npz"), key=lambda file: file.stat().st_mtime)
    for file in files[:-FILES]:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """While no other process is in here; where nothing can be locked, at once."""
    try:
        file.parent.mkdir(exist_ok=True)
        # To read only, so that a file of another user's will do.
        lock = os.open(file.parent / "vectors.lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
