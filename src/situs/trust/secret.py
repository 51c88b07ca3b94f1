"""A secret of this installation: what names of sessions and pseudonyms are derived under."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from situs.errors import OperatorError

FILE = "names.key"
_SIZE = 32


def open_secret(keys_dir: Path) -> bytes:
    """Load `names.key`, or create it (32 random bytes, mode 600) at the first start.

    All workers get the same. Raises OperatorError when it can be read by others, or not at all.
    """
    path = keys_dir / FILE
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:
            raise OperatorError(f"{path} can be read by others.", do=f"Run: chmod 600 {path}")
        secret = path.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"The key {path} cannot be read or written: {error.strerror}.",
            do="Mend the permissions of the keys directory.",
        ) from error
    if len(secret) != _SIZE:
        raise OperatorError(
            f"{path} is not a key of {_SIZE} bytes.",
            do="Restore it from a backup. If it is removed, a new one is made: sessions are "
            "forgotten, and their pseudonyms are other ones.",
        )
    return secret


def _create(path: Path) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
            file.flush()
            os.fsync(fd)
        try:
            os.link(scratch, path)
        except FileExistsError:  # another worker was first
            return
    finally:
        scratch.unlink()
