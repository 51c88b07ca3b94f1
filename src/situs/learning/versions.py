"""Versions of what was learned: those that come with the package, and those trained here.

What is trained here lies in DATA/artefacts/HEAD/VERSION. The configuration names the version of a
head that answers; without it that is the one of the package. Versions are never written over, so
going back is naming the version before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from importlib import resources
from itertools import count
from pathlib import Path

from msgspec import Struct

from situs.errors import OperatorError
from situs.learning.artefacts import CARD, Artefact, load, read_card, shipped

REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[0-9a-f]{12,64})?$"
"""How a version is named: `trained-1`, or with the first digits of its digest `trained-1@0f3c…`."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Kept(Struct, frozen=True):
    """A version and where it lies; whether its files are sound is not known yet."""

    head: str
    version: str
    folder: Path
    shipped: bool


def kept(data: Path) -> list[Kept]:
    """All versions by head: the one of the package, then those in the data directory by name."""
    found = [*_shipped(), *_trained(data)]
    return sorted(found, key=lambda one: (one.head, not one.shipped, _natural(one.version)))


def shipped_heads() -> frozenset[str]:
    """The heads that come with the package."""
    return frozenset(one.head for one in _shipped())


def chosen(
    wanted: Mapping[str, str], data: Path | None, heads: Collection[str] | None = None
) -> dict[str, Artefact]:
    """What answers for each head (or those of `heads`): the version wanted, else the package's.

    Without `data` only the package is looked at. Raises OperatorError for a version that is not
    there, is not what its card or the digest in `wanted` says, or has settings out of bounds.
    """
    asked = shipped_heads() | set(wanted) if heads is None else heads
    return {head: open_version(head, wanted.get(head), data) for head in sorted(asked)}


def open_version(head: str, reference: str | None, data: Path | None) -> Artefact:
    """Reads the version that `reference` names, without one that of the package.

    Raises OperatorError as `chosen` does.
    """
    version, _, digest = (reference or "").partition("@")
    known = [*_shipped(), *(() if data is None else _trained(data))]
    mine = [one for one in known if one.head == head]
    fits = [one for one in mine if one.version == version or (one.shipped and reference is None)]
    if not fits:
        what = f"version {version} of the artefact" if version else "active artefact"
        names = ", ".join(sorted((one.version for one in mine), key=_natural))
        raise OperatorError(
            f"There is no {what} {head}{f'; its versions are: {names}' if names else ''}.",
            do="`situs artefacts list` shows the versions; `situs train` makes one.",
        )
    artefact = load(fits[0].folder)
    card = artefact.card
    if (card.head, card.version) != (head, fits[0].version):
        raise OperatorError(
            f"The card in {fits[0].folder} is of {card.head} {card.version}.",
            do="Versions stay in the folders they were made in; move it back.",
        )
    if not artefact.digest.startswith(digest):
        raise OperatorError(
            f"The digest of {head} {version} is {artefact.digest[:12]}…, not {digest}.",
            do="Find out who changed it; then name the digest it has, or restore it.",
        )
    from situs.learning.limits import check

    check(artefact)
    return artefact


def new_folder(data: Path, head: str, version: str | None = None) -> Path:
    """Makes an empty folder for a new version, `trained-N` with the next N unless named.

    Its name is the version. Raises OperatorError where there is such a version.
    """
    taken = {one.version for one in kept(data) if one.head == head}
    place = data / "artefacts" / head
    place.mkdir(parents=True, exist_ok=True)
    if version is not None:
        if not _VERSION.fullmatch(version):
            raise OperatorError(
                "A version is at most 64 letters, digits and . _ -, beginning with a letter or "
                "digit.",
                do="Choose another name with --version.",
            )
        names: Iterator[str] = iter((version,))
    else:
        names = (f"trained-{number}" for number in count(1))
    for name in names:
        if name not in taken and _made(place / name):
            return place / name
    raise OperatorError(
        f"There is a version {version} of the artefact {head} already.",
        do="Choose another name with --version: versions are never written over.",
    )


def _made(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _shipped() -> Iterator[Kept]:
    with resources.as_file(resources.files("situs") / "artefacts") as place:
        heads = sorted(one.name for one in place.iterdir()) if place.is_dir() else []
    for head in heads:
        folder = shipped(head)
        if (folder / CARD).is_file():
            yield Kept(head, read_card(folder).version, folder, shipped=True)


def _trained(data: Path) -> Iterator[Kept]:
    for card in (data / "artefacts").glob(f"*/*/{CARD}"):
        if _VERSION.fullmatch(card.parent.name):
            yield Kept(card.parent.parent.name, card.parent.name, card.parent, shipped=False)


def _natural(version: str) -> list[tuple[int, str]]:
    """`trained-10` comes after `trained-9`."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", version)]
