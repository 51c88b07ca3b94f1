"""The data sets that a request says it draws on: in a header, or in the document's metadata."""

from __future__ import annotations

from difflib import get_close_matches

from msgspec.structs import replace

from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.errors import UnknownData

METADATA = "situs_data"
"""The key in `metadata` of an OpenAI document; names are separated by commas."""


def drawing(request: Request, snapshot: Snapshot) -> Request:
    """The request with the names of its data sets.

    Raises UnknownData for one that is not declared: where it may go cannot be known.
    """
    asked = request.ask.data or ""
    metadata = request.document.get("metadata")
    told = metadata.get(METADATA) if isinstance(metadata, dict) else None
    if not asked and told is None:
        return request
    said = told if isinstance(told, str) else ""
    names = sorted({one.strip() for one in f"{asked},{said}".split(",")} - {""})
    for name in names:
        if name not in snapshot.data:
            near = get_close_matches(name, snapshot.data, n=1)
            raise UnknownData(
                "It names a data set that is not declared.",
                param="x-situs-data" if asked else f"metadata.{METADATA}",
                do=f"Did you mean {near[0]}?" if near else None,
            )
    if told is not None and not said.strip():
        raise UnknownData("It names no data set.", param=f"metadata.{METADATA}")
    return replace(request, data=tuple(names))
