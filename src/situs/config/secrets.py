"""Secrets: references in the configuration, values only here and only on demand."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from situs.errors import ConfigError

_MAX_BYTES = 64 * 1024


class Secret:
    """A value that does not show itself: printing, logging, pickling and JSON get no content."""

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str, value: str) -> None:
        self.reference = reference
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied to anywhere")


def resolve(
    reference: str, base: Path, *, at: str = "", environ: Mapping[str, str] = os.environ
) -> Secret:
    """The secret that `env:NAME` or `file:PATH` names; a relative PATH starts at `base`.

    `at` says where the reference stands, for the message. One newline at the end is dropped.
    Raises ConfigError when there is none, when it is not one line of visible ASCII, or when the
    file may be read by every user of the machine.
    """
    kind, _, name = reference.partition(":")
    try:
        if kind == "env":
            value = _from_environment(name, environ)
        elif kind == "file":
            value = _from_file(base / Path(name).expanduser())
        else:
            raise ConfigError("not a reference; use env:NAME or file:PATH")
        if not value or any(not "!" <= character <= "~" for character in value):
            raise ConfigError("empty, or not one line of visible ASCII without spaces")
    except ConfigError as error:
        shown = reference if kind in ("env", "file") else "a secret"
        place = f"{at}: " if at else ""
        do = "Set it, or correct the reference in the configuration."
        raise ConfigError(f"{place}{shown}: {error.message}", do=do) from None
    return Secret(reference, value)


def exists(reference: str, base: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether there is anything where the reference points; it may still be of no use."""
    kind, _, name = reference.partition(":")
    return name in environ if kind == "env" else (base / Path(name).expanduser()).exists()


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ConfigError("not set in the environment")
    return environ[name].removesuffix("\n")


def _from_file(path: Path) -> str:
    try:
        # Without O_NONBLOCK, opening a pipe waits for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError("not a regular file")
            if status.st_mode & stat.S_IRWXO:
                raise ConfigError("open to every user of this machine; take that away (chmod o=)")
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})") from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"larger than {_MAX_BYTES} bytes")
    return raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
