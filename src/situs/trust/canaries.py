"""Canary tokens: words planted in documents that must never leave, each in a file of its own."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from situs.errors import OperatorError
from situs.trust.api_keys import is_word

MOST = 100
_FOLDER = "canaries"
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_WORDS, _SYLLABLES = 4, 3
_LEAST = 12
"""Characters of a token; a shorter one would be found in what is none."""


def new_canary(data: Path, name: str) -> str:
    """Make a token, keep it under this name, return it: four words that mean nothing (73 bits).

    Raises OperatorError for a name that is taken or is none, or when there are 100 already.
    """
    folder = data / "keys" / _FOLDER
    if not is_word(name) or "/" in name:
        raise OperatorError(f"{name}: no name for a canary", do="Use letters, digits and dashes.")
    if len(load_canaries(data)) >= MOST:
        raise OperatorError(f"There are {MOST} canaries already.", do="Remove one.")
    token = "-".join("".join(_syllable() for _ in range(_SYLLABLES)) for _ in range(_WORDS))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(token + "\n")
    except FileExistsError:
        raise OperatorError(f"There is a canary {name} already.", do="Use another name.") from None
    except OSError as error:
        raise _unusable(folder, error) from None
    return token


def load_canaries(data: Path) -> dict[str, str]:
    """Tokens by name; empty where there are none.

    Raises OperatorError when one cannot be read or is too short: what cannot be looked for must not
    be taken for absent.
    """
    folder = data / "keys" / _FOLDER
    try:
        found = {path.name: path.read_text("ascii").strip() for path in sorted(folder.glob("*"))}
    except OSError as error:
        raise _unusable(folder, error) from None
    except UnicodeDecodeError:
        raise OperatorError(f"A canary in {folder} is no text.", do="Remove it.") from None
    for name, token in found.items():
        if len(token) < _LEAST:
            raise OperatorError(f"The canary {name} in {folder} is too short.", do="Remove it.")
    return found


def remove_canary(data: Path, name: str) -> None:
    """Raises OperatorError where there is none of this name."""
    folder = data / "keys" / _FOLDER
    if name not in load_canaries(data):
        raise OperatorError(f"There is no canary {name}.", do="`situs egress canary list`.")
    try:
        (folder / name).unlink()
    except OSError as error:
        raise _unusable(folder, error) from None


def _syllable() -> str:
    return secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS)


def _unusable(folder: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"The canaries in {folder} cannot be used: {error.strerror}.",
        do="Mend the permissions of the keys directory.",
    )
