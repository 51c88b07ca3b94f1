"""What was learned, kept as files: arrays and a card that says where they come from.

An artefact is a folder `HEAD/VERSION` with `card.json` and `arrays.npz` (or other files that the
card names). Nothing is ever written over: a version is new or refused. Numpy is imported where
arrays are: the parent of the workers reads cards alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from situs.errors import OperatorError

FORMAT = 1
ARRAYS = "arrays.npz"
CARD = "card.json"
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class Source(Struct, frozen=True):
    """A data set that was learned from: where from, by which licence, how many rows."""

    name: str
    licence: str
    rows: int
    url: str = ""


class Card(Struct, frozen=True):
    """What an artefact is. `files` has the SHA-256 of each file beside the card.

    `settings` is what the code needs besides the arrays (classes, thresholds, sizes); `metrics` are
    figures with the command that prints them.
    """

    format: int
    head: str
    version: str
    about: str
    sources: tuple[Source, ...]
    settings: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, str]
    command: str = ""

    @property
    def digest(self) -> str:
        """Names the whole artefact: of the card, hence of all files."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Artefact(Struct, frozen=True):
    """A card whose files were found to be what it says."""

    card: Card
    arrays: dict[str, Any]
    folder: Path

    @property
    def digest(self) -> str:
        return self.card.digest


def shipped(head: str) -> Path:
    """Where the artefact of the package lies: in `HEAD`, or the last `HEAD/VERSION`."""
    with resources.as_file(resources.files("situs") / "artefacts" / head) as folder:
        versions = sorted(card.parent for card in folder.glob(f"*/{CARD}"))
        return versions[-1] if versions else folder


def read_card(folder: Path) -> Card:
    """The card alone; `load` also checks the files. Raises OperatorError as that does."""
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=Card)
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(folder, error) from error
    if card.format != FORMAT:
        raise OperatorError(
            f"The artefact in {folder} has format {card.format}; this release reads {FORMAT}.",
            do="Train it again with `situs train`.",
        )
    return card


def load(folder: Path) -> Artefact:
    """Reads an artefact. Raises OperatorError where it is not there or not what its card says."""
    card = read_card(folder)
    try:
        files = {name: (folder / Path(name).name).read_bytes() for name in card.files}
    except OSError as error:
        raise _unreadable(folder, error) from error
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != card.files[name]:
            raise OperatorError(
                f"{folder / name} is not the file that its card names (SHA-256 differs).",
                do="Do not use it: restore it from its source, or train it again.",
            )
    arrays: dict[str, Any] = {}
    if ARRAYS in files:
        import numpy as np

        with np.load(BytesIO(files[ARRAYS]), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
    return Artefact(card, arrays, folder)


def save(
    folder: Path, card: Card, arrays: Mapping[str, Any], files: Mapping[str, bytes] = _NOTHING
) -> Artefact:
    """Writes a new artefact: its arrays, other `files` by name, and the card that names them all.

    Raises OperatorError where there is one already. The same arrays give the same bytes.
    """
    if (folder / CARD).exists():
        raise OperatorError(
            f"There is an artefact in {folder} already.",
            do="Choose another version: artefacts are never written over.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    written = {**files}
    if arrays:
        import numpy as np

        buffer = BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **{k: arrays[k] for k in sorted(arrays)})
        written[ARRAYS] = buffer.getvalue()
    named = {name: hashlib.sha256(data).hexdigest() for name, data in written.items()}
    card = msgspec.structs.replace(card, format=FORMAT, files=named)
    for name, data in (*written.items(), (CARD, _pretty(card))):
        part = folder / f"{name}.part"
        part.write_bytes(data)
        part.replace(folder / name)
    return load(folder)


def _unreadable(folder: Path, error: Exception) -> OperatorError:
    return OperatorError(
        f"The artefact in {folder} cannot be read: {type(error).__name__}.",
        do="Train it again with `situs train`, or install the package again.",
    )


def _pretty(card: Card) -> bytes:
    return msgspec.json.format(msgspec.json.encode(card, order="sorted"), indent=2) + b"\n"
