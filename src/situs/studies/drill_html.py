"""The report of a drill as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from situs.studies.drill import Latency, Report
from situs.studies.page import page_of

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top }
.passed { color: #0a6b2d } .failed { color: #a11 } .bar { background: #ddd; height: .8rem }
.bar i { display: block; height: 100%; background: #0a6b2d }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #16181a }
  th, td { border-color: #444 } .bar { background: #444 } .passed { color: #6fce8f }
  .failed { color: #ff8a8a } }
"""


def page(report: Report) -> str:
    """The whole page."""
    share = 0.0 if report.continuity is None else report.continuity
    at = datetime.fromtimestamp(report.at, UTC)
    parts = [
        f"<h1>{escape(report.drill)}: {_verdict(report)}</h1>",
        f"<p>{at:%Y-%m-%d %H:%M} UTC. Dark: {escape(', '.join(report.dark) or 'nothing')}.</p>",
        _list(report.reasons),
        f'<h2>Continuity: {share:.0%}</h2><div class="bar"><i style="width:{share:.1%}"></i></div>',
        _table(("", "as always", "in the dark"), _figures(report)),
        "<h2>Where requests went</h2>",
        _table(("from, to", "requests"), [(k, str(v)) for k, v in report.moved.items()]),
        "<h2>What failed</h2>",
        _table(
            ("request", "status", "code", "why"),
            [(str(f.request), str(f.status), f.code, f.message) for f in report.failed],
        ),
        "<h2>Owned answers and prices that changed</h2>",
        f"<p>{report.answers_compared} answers of the same owned deployment were compared.</p>",
        _table(
            ("request", "deployment", "before", "after"),
            [
                (str(c.request), c.deployment, c.before, c.after)
                for c in (*report.answers_changed, *report.prices_changed)
            ],
        ),
        "<h2>What held the block</h2>",
        _table(
            ("layer", ""),
            [
                ("the connector's list", "held"),
                ("the kernel's filter of workers", report.held.kernel),
                ("a network namespace", report.held.namespace),
                ("connections that reached what is dark", str(len(report.reached))),
            ],
        ),
    ]
    return page_of(report.drill, _STYLE, parts)


def _verdict(report: Report) -> str:
    word = "passed" if report.passed else "failed"
    return f'<span class="{word}">{word}</span>'


def _figures(report: Report) -> list[tuple[str, ...]]:
    return [
        ("asked", str(report.asked_normal), str(report.asked_dark)),
        ("answered", str(report.answered_normal), str(report.answered_dark)),
        ("p50", *_times(report, "p50_s")),
        ("p95", *_times(report, "p95_s")),
    ]


def _times(report: Report, name: str) -> tuple[str, str]:
    return seconds(report.normal, name), seconds(report.in_dark, name)


def seconds(latency: Latency, name: str) -> str:
    value = getattr(latency, name)
    return "-" if value is None else f"{value:.3f} s"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    if not body:
        return "<p>None.</p>"
    heads = "".join(f"<th>{escape(one)}</th>" for one in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
