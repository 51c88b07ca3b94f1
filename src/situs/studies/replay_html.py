"""The report of a replay as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from situs.studies.page import page_of
from situs.studies.replay_report import FARTHER, KINDS, Change, Place, Report
from situs.studies.replay_words import figures, reproduced, title

_STYLE = """
:root { --ink: #1a1a1a; --paper: #fff; --line: #ddd; --dim: #666; --bad: #a11;
  --before: #9aa4ae; --after: #2a6db0; --warn: #fff4d6 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181a; --line: #3a3d40;
  --dim: #9a9a9a; --bad: #ff8a8a; --before: #5d666e; --after: #6aa8e6;
  --warn: #3a3116 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2.2rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem }
p.dim { color: var(--dim) } a { color: var(--after) } .failed { color: var(--bad) }
table { border-collapse: collapse; width: 100%; table-layout: fixed;
  margin-bottom: 1rem }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
th { font-weight: 600; color: var(--dim) }
th.n { width: 5.5rem }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.bars { width: 35% } .bars i { display: block; height: .5rem; margin: .25rem 0; min-width: 1px }
.before { background: var(--before) } .after { background: var(--after) }
.doubts { background: var(--warn); padding: .6rem 1rem; border-radius: .4rem }
code { font-size: .85em; overflow-wrap: anywhere } details { margin-top: .2rem }
summary { cursor: pointer; color: var(--dim) } .such { width: 45% }
"""
_ESTIMATED = """<p class="dim">As estimated for each decision then, over the requests that go
somewhere before and after.</p>"""
_COLUMNS = {"#": "n", "|": "bars", "*": "such"}


def page(said: Report) -> str:
    """The whole page."""
    word = '<span class="failed">failed</span>' if said.failed else "done"
    parts = [
        f'<h1>Policy replay: {word}</h1><p class="dim">{escape(title(said))}</p>',
        _list(said.failed, "failed", "The gate is shut"),
        _list(said.doubts, "doubts", "What these figures do not cover"),
        _list(said.remarks, "remarks", ""),
        "<h2>What changes</h2>",
        _table(("", "#requests", "#of all"), _changes(said)),
        "<h2>Where requests go first</h2>",
        '<p class="dim">Upper bar: before. Lower bar: after.</p>',
        *(_places(axis, places, said.replayed) for axis, places in said.places.items()),
        "<h2>Expected cost and latency</h2>",
        _ESTIMATED,
        _table(("", "#before", "#after", "#change"), map(_cells, figures(said))),
        "<h2>Which requests</h2>" if any(one.decisions for one in said.changes.values()) else "",
        *_details(said),
        "<h2>Does the record come out as it was?</h2>",
        _table(("", ""), map(_cells, reproduced(said))),
    ]
    return page_of("Policy replay", _STYLE, parts)


def _changes(said: Report) -> Iterator[Sequence[str]]:
    for kind, words in KINDS.items():
        count = said.changes[kind].decisions
        mark = ' class="failed"' if count and kind in (*FARTHER, "denied") else ""
        name = f'<a href="#{kind}"{mark}>{escape(words)}</a>' if count else escape(words)
        yield name, f"{count:,}", f"{count / said.replayed:.2%}"


def _details(said: Report) -> Iterator[str]:
    for kind, words in KINDS.items():
        change = said.changes[kind]
        if change.ways:
            yield f'<h3 id="{kind}">{escape(words)}</h3>{_ways(change)}'


def _ways(change: Change) -> str:
    rows = (
        (escape(one.what), f"{one.decisions:,}", _examples(one.examples)) for one in change.ways
    )
    return _table(("", "#requests", "*such as"), rows)


def _examples(ids: Sequence[str]) -> str:
    first, *others = (f"<code>{escape(one)}</code>" for one in ids)
    if not others:
        return first
    return f"{first}<details><summary>{len(others)} more</summary>{'<br>'.join(others)}</details>"


def _places(axis: str, places: Sequence[Place], whole: int) -> str:
    rows = (
        (
            escape(one.name),
            _bar("before", one.before / whole) + _bar("after", one.after / whole),
            f"{one.before:,}",
            f"{one.after:,}",
            f"{one.after - one.before:+,}" if one.after != one.before else "",
        )
        for one in places
    )
    return _table((axis, "|", "#before", "#after", "#change"), rows)


def _bar(side: str, share: float) -> str:
    return f'<i class="{side}" style="width:{share:.1%}"></i>'


def _cells(row: Iterable[str]) -> Sequence[str]:
    return [escape(cell) for cell in row]


def _list(lines: Sequence[str], name: str, head: str) -> str:
    if not lines:
        return ""
    told = f"<strong>{escape(head)}</strong>" if head else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="{name}">{told}<ul>{items}</ul></div>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` are HTML already. The first character of a heading may say what its column holds."""
    kinds = [_COLUMNS.get(one[:1], "") for one in head]
    marks = [f' class="{kind}"' if kind else "" for kind in kinds]
    heads = (
        f"<th{mark}>{escape(one.lstrip('#|*'))}</th>" for mark, one in zip(marks, head, strict=True)
    )
    body = (
        f"<tr>{''.join(f'<td{m}>{cell}</td>' for m, cell in zip(marks, row, strict=True))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(body)}</tbody></table>"
