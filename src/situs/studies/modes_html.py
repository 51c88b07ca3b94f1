"""How copies compare with what was served, as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby

from msgspec import Struct

from situs.studies.modes_report import Figure, Group
from situs.studies.page import page_of

_STYLE = """
:root { --ink: #1a1a1a; --paper: #fff; --line: #ddd; --dim: #666; --bad: #a11;
  --served: #9aa4ae; --copied: #2a6db0; --alike: #b9d3ec }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181a; --line: #3a3d40;
  --dim: #9a9a9a; --bad: #ff8a8a; --served: #6d767e; --copied: #6aa8e6; --alike: #2d4a66 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.dim { color: var(--dim) } figure { margin: 0; overflow-x: auto }
svg { display: block; width: 100%; min-width: 56rem; font: 13px system-ui, sans-serif }
text { fill: var(--ink) } text.dim { fill: var(--dim) } text.bad { fill: var(--bad) }
text.head { font-weight: 600; fill: var(--dim) } text.kind { font-weight: 600 }
.served { fill: var(--served) } .copied { fill: var(--copied) } .alike { fill: var(--alike) }
.room { fill: var(--line); opacity: .4 } .line { stroke: var(--line) }
.likely { stroke: var(--ink); stroke-width: 1.5; fill: none }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .1em;
  vertical-align: -.05em; background: var(--served) }
.key.copied { background: var(--copied) }
ul { padding-left: 1.2rem; margin: .6rem 0 }
"""

_WIDTH, _ROW, _HEAD = 1120, 78, 30
_BARS = 120
"""The longest bar; the figure stands behind it."""
_LONGEST_NAME = 24


class _Panel(Struct, frozen=True):
    """A column of the picture: where it begins, what it shows of both sides, and what it says where
    there is nothing to show.
    """

    left: int
    head: str
    field: str
    ratio: str
    without: str
    money: bool = False


_AGREEMENT = 210
_PANELS = (
    _Panel(440, "first token", "ttft_s", "ttft_ratio", "not streamed"),
    _Panel(670, "whole answer", "e2e_s", "e2e_ratio", "none was whole"),
    _Panel(900, "cost of 1,000 requests", "cost", "cost_ratio", "no one price known", money=True),
)


def page(groups: Sequence[Group], since: float, now: float) -> str:
    """The whole page: a picture for each pair of places. Times are wall times."""

    def pair(one: Group) -> tuple[str, str]:
        return one.served, one.copied

    spans = " to ".join(
        f"{datetime.fromtimestamp(one, UTC):%Y-%m-%d %H:%M}" for one in (since, now)
    )
    parts = [
        f'<h1>Copies and what was served</h1><p class="dim">{spans} UTC.</p>',
        "" if groups else "<p>There are no copies.</p>",
    ]
    pairs = [(key, list(own)) for key, own in groupby(sorted(groups, key=pair), key=pair)]
    for (served, copied), own in sorted(pairs, key=lambda one: -_copies(one[1])):
        parts += _pair(served, copied, sorted(own, key=lambda one: -one.copies))
    if groups:
        parts.append(_NOTES)
    return page_of("Copies and what was served", _STYLE, parts)


def _copies(groups: Sequence[Group]) -> int:
    return sum(one.copies for one in groups)


_NOTES = """<p class="dim">Agreement: the strong part are answers that are the same but for case,
spaces and punctuation; up to the end of the pale one are the words that both have (Dice). Answers
that say the same in other words count as different. Times are medians, money is a mean. Lines, and
figures in brackets: where it lies in 95 % of bootstrap samples.</p>"""


def _pair(served: str, copied: str, groups: Sequence[Group]) -> Iterator[str]:
    yield (
        f'<h2><span class="key"></span>{escape(served)} served, '
        f'<span class="key copied"></span>{escape(copied)} answered copies</h2>'
    )
    height = _HEAD + _ROW * len(groups)
    label = escape(f"{copied} beside {served}: agreement, time and cost by kind of request")
    yield (
        f'<figure><svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f"{''.join(_picture(groups))}</svg></figure>"
    )
    items = (f"<li>{escape(one.route or one.task)}: {escape(one.advice)}</li>" for one in groups)
    yield f"<ul>{''.join(items)}</ul>"


def _picture(groups: Sequence[Group]) -> Iterator[str]:
    yield _text(_AGREEMENT, 18, "agreement", "head")
    for panel in _PANELS:
        yield _text(panel.left, 18, panel.head, "head")
    longest = {panel.field: _longest(groups, panel) for panel in _PANELS}
    for place, one in enumerate(groups):
        top = _HEAD + _ROW * place
        yield f'<line class="line" x1="0" x2="{_WIDTH}" y1="{top}" y2="{top}"/>'
        yield from _name(one, top)
        yield from _agreement(one, top)
        for panel in _PANELS:
            yield from _bars(one, panel, top, longest[panel.field])


def _longest(groups: Sequence[Group], panel: _Panel) -> float:
    return max(
        (getattr(side, panel.field) or 0.0 for one in groups for side in one.took), default=0
    )


def _name(one: Group, top: int) -> Iterator[str]:
    yield _text(0, top + 26, _short(one.route or one.task), "kind", one.route or one.task)
    yield _text(0, top + 44, f"{one.copies:,} copies", "dim")
    if one.failed:
        yield _text(0, top + 62, f"{one.failed:,} failed", "bad")


def _agreement(one: Group, top: int) -> Iterator[str]:
    if one.same is None or one.similarity is None:
        yield _text(_AGREEMENT, top + 26, "no two texts", "dim")
        return
    wide = 190
    yield _bar(_AGREEMENT, top + 14, wide, 16, "room")
    yield _bar(_AGREEMENT, top + 14, one.similarity.value * wide, 16, "alike")
    yield _bar(_AGREEMENT, top + 14, one.same.value * wide, 16, "copied")
    for figure, y in ((one.same, top + 18), (one.similarity, top + 26)):
        yield _likely(figure, wide, y)
    yield _text(_AGREEMENT, top + 46, f"{one.same.value:.0%} the same", "", _between(one.same, "%"))
    told = f"{one.similarity.value:.0%} of words alike"
    yield _text(_AGREEMENT, top + 64, told, "dim", _between(one.similarity, "%"))


def _likely(figure: Figure, wide: int, y: int) -> str:
    low, high = (_AGREEMENT + share * wide for share in figure.interval or (0.0, 0.0))
    if high - low < 1:
        return ""
    ends = "".join(f"M{x:.1f} {y - 3}V{y + 3}" for x in (low, high))
    return f'<path class="likely" d="M{low:.1f} {y}H{high:.1f}{ends}"/>'


def _bars(one: Group, panel: _Panel, top: int, longest: float) -> Iterator[str]:
    sides = [getattr(side, panel.field) for side in one.took]
    if None in sides:
        yield _text(panel.left, top + 26, panel.without, "dim")
        return
    currency = one.took[0].currency
    for value, kind, y in zip(sides, ("served", "copied"), (top + 14, top + 30), strict=True):
        width = value / longest * _BARS if longest > 0 else 0.0
        told = f"{_number(value * 1000)} {currency}" if panel.money else f"{_number(value)} s"
        yield _bar(panel.left, y, max(width, 1.0), 12, kind)
        yield _text(panel.left + width + 6, y + 11, told, "")
    ratio: Figure | None = getattr(one, panel.ratio)
    if ratio is not None:
        yield _text(panel.left, top + 62, f"x{ratio.value:.2f} {_between(ratio, 'x')}", "dim")


def _between(figure: Figure, unit: str) -> str:
    low, high = figure.interval or (figure.value, figure.value)
    return f"[{low:.0%}, {high:.0%}]" if unit == "%" else f"[{low:.2f}, {high:.2f}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _bar(x: float, y: float, width: float, height: int, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="1"/>'
    )


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    """`more` is seen where it is pointed at."""
    told = f"<title>{escape(more)}</title>" if more else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}">{told}{escape(text)}</text>'
