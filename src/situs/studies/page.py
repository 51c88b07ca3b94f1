"""What every report in HTML is: one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_HEAD = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'


def page_of(title: str, style: str, parts: Iterable[str]) -> str:
    """The whole page; `parts` are HTML already."""
    return (
        f'<!doctype html><html lang="en"><head>{_HEAD}<title>{escape(title)}</title>'
        f"<style>{style}</style></head><body>{''.join(parts)}</body></html>\n"
    )
