"""The figures of a replay as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from situs.studies.replay_report import Change, Pair, Report

_SHORT = 12


def title(said: Report) -> str:
    """What was compared with what, on which decisions."""
    old = "what was decided" if said.old is None else f"policy {said.old[:_SHORT]}"
    when = f"{moment(said.began)} to {moment(said.ended)} UTC"
    return f"policy {said.new[:_SHORT]} against {old}: {looked_at(said)}, {when}"


def looked_at(said: Report) -> str:
    """How many decisions, and of how many if it was a sample."""
    if said.there is None:
        return f"{said.replayed:,} decision{'s' if said.replayed != 1 else ''}"
    return f"{said.replayed:,} of about {said.there:,} decisions (a sample)"


def moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def figures(said: Report) -> Iterator[tuple[str, str, str, str]]:
    """Name, before, after and change of expected cost and latency."""
    for currency, pair in said.cost.items():
        yield f"cost, {currency}", f"{pair.before:,.4f}", f"{pair.after:,.4f}", _change(pair)
    if said.latency is not None:
        for name, pair in (
            ("first token, median", said.latency.ttft_p50_s),
            ("first token, 95th of 100", said.latency.ttft_p95_s),
            ("whole answer, median", said.latency.e2e_p50_s),
            ("whole answer, 95th of 100", said.latency.e2e_p95_s),
        ):
            yield name, f"{pair.before:.2f} s", f"{pair.after:.2f} s", _change(pair)


def reproduced(said: Report) -> Iterator[tuple[str, str]]:
    """How far decisions come out as they were."""
    same = said.reproduced
    yield "verdicts of a policy asked here", _same(same.verdicts, same.verdicts_other)
    yield "rankings", _same(same.rankings, same.rankings_other)
    yield "scores and reasons", _same(same.rankings, same.figures_other)
    for digest, count in list(said.recorded_by.items())[:_SHORT]:
        yield f"decided by policy {digest[:_SHORT]}", f"{count:,}"


def _same(checked: int, other: Change) -> str:
    if not checked:
        return "not checked"
    why = "".join(f"; {one.what} ({one.decisions:,})" for one in other.ways)
    return (
        f"{checked - other.decisions:,} of {checked:,} ({1 - other.decisions / checked:.2%}){why}"
    )


def _change(pair: Pair) -> str:
    if not pair.before:
        return "" if not pair.after else "new"
    return f"{pair.after / pair.before - 1:+.1%}"
