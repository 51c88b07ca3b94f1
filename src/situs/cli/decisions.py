"""`situs decisions`: where requests went, and why."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import data_option
from situs.cli.render import found_by
from situs.cli.tables import json_option, print_json, show_tables, table_of
from situs.cli.when import moment, when
from situs.config.paths import data_dir
from situs.core.label import Label
from situs.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from situs.stores.decisions import Entry


@click.group()
def decisions() -> None:
    """Past decisions: where requests went, and why."""


@decisions.command()
@data_option
@click.option(
    "-n", "count", default=20, show_default=True, type=click.IntRange(0), help="How many."
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with new ones as they end.")
@click.option(
    "--since",
    type=when,
    metavar="TIME",
    help="Not older: 7d, 12h, 30m ago, or a date or time (UTC).",
)
@click.option("--deployment", help="That went there in the end.")
@click.option("--label", type=click.Choice([label.value for label in Label]), help="Of this label.")
@click.option("--status", help="That got this status, or one of a class of them: 4xx.")
@click.option("--tenant", help="Of this tenant.")
@click.option(
    "-w",
    "--wide",
    is_flag=True,
    help="With year, findings, locus, objective and reason, as on a terminal of 160 columns.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a decision.")
def tail(
    data: Path | None, count: int, follows: bool, wide: bool, as_json: bool, **wanted: Any
) -> None:
    """List the newest decisions."""
    from situs.stores.decisions import Filters, follow
    from situs.stores.decisions import tail as newest

    directory, filters = data_dir(data), Filters(**wanted)
    if filters.status is not None and not re.fullmatch(r"[1-5x][0-9x]{2}", filters.status):
        raise click.BadParameter("say a status such as 403, or a class such as 4xx")
    wide = wide or (sys.stdout.isatty() and shutil.get_terminal_size().columns >= _WIDE)
    row = _row if wide else _short_row
    coming = follow(directory, filters=filters)
    entries = newest(directory, count, filters)
    if as_json:
        for entry in entries:
            print_json(entry)
    elif entries:
        table = table_of(*(_COLUMNS if wide else _SHORT_COLUMNS))
        for entry in entries:
            table.add_row(*row(entry))
        show_tables(table)
    elif not follows:
        click.echo("no decisions yet" if filters == Filters() else "no such decisions")
    if not follows:
        return
    for entry in coming:
        if as_json:
            print_json(entry)
        else:
            click.echo("  ".join(row(entry)))


@decisions.command("show")
@click.argument("wanted", metavar="ID")
@data_option
@json_option
def show_decision(wanted: str, data: Path | None, as_json: bool) -> None:
    """Show one decision whole, by its id or by chain:sequence."""
    from situs.stores.decisions import find

    entry = find(data_dir(data), wanted)
    if entry is None:
        raise OperatorError("There is no such decision.", do="See `situs decisions tail`.")
    if as_json:
        print_json(entry)
        return
    show_tables(*_tables(entry), between="\n")


_COLUMNS = ("time", "id", "label", "objective", "went to", "end", "reason")
_SHORT_COLUMNS = ("time", "id", "label", "went to", "end")
_WIDE = 160


def _row(entry: Entry) -> tuple[str, ...]:
    decision = entry.decision
    return (
        moment(decision["at"]),
        entry.id,
        _label(entry),
        decision["placement"]["objective"],
        _destination(entry),
        _end(entry),
        _reason(entry),
    )


def _short_row(entry: Entry) -> tuple[str, ...]:
    """What fits into a hundred columns."""
    at = moment(entry.decision["at"])[len("2026-") :]
    label = str(entry.decision["analysis"]["label"])
    return at, entry.id, label, _destination(entry, locus=False), _end(entry)


def _destination(entry: Entry, *, locus: bool = True) -> str:
    """The last deployment tried, or with ? the one ranked first while nothing is known."""
    attempts = (entry.outcome or {}).get("attempts") or []
    ranked = entry.decision["placement"]["ranked"]
    if attempts:
        last, ending = attempts[-1], ""
        name, at, law = last["deployment"], last["locus"], last["jurisdiction"]
    elif entry.outcome is not None or not ranked:
        return "-"
    else:
        name, ending = ranked[0]["deployment"], "?"
        facts = entry.deployment(name).get("locus", {})
        at, law = facts.get("name", "?"), facts.get("jurisdiction", "?")
    return f"{name} @ {at} ({law}){ending}" if locus else f"{name} ({law}){ending}"


def _end(entry: Entry) -> str:
    if entry.outcome is None:
        return "no outcome"
    attempts = entry.outcome["attempts"]
    return f"{attempts[-1]['end'] if attempts else 'not sent'} {entry.outcome['status']}"


def _label(entry: Entry) -> str:
    analysis = entry.decision["analysis"]
    reasons = [r for r in analysis["reasons"] if r["source"] != "default"]
    details = dict.fromkeys(r["detail"] for r in reasons)
    return f"{analysis['label']} ({', '.join(details)})" if details else str(analysis["label"])


def _reason(entry: Entry) -> str:
    """As `x-situs-reason` says it; of a request that went nowhere, also what excluded all."""
    decision, outcome = entry.decision, entry.outcome or {}
    policy, placement = decision["policy"], decision["placement"]
    if (code := outcome.get("code")) is not None:
        exclusions = (*policy["exclusions"], *placement["exclusions"])
        codes = [] if placement["ranked"] else [e["code"] for e in exclusions]
        return ", ".join(dict.fromkeys((code, *codes)))
    attempts = outcome.get("attempts", ())
    routed = decision["analysis"].get("routed")
    if outcome and not attempts and routed is not None:
        return "route_answer"
    if (detour := _detour(attempts, placement["ranked"])) is not None:
        return detour
    if decision["request"]["model"] != "auto" and routed is None:
        return "pinned"
    if len(placement["ranked"]) == 1:
        return "only_candidate"
    return str(placement.get("mode") or placement["objective"])


def _detour(attempts: Sequence[dict[str, Any]], ranked: Sequence[dict[str, Any]]) -> str | None:
    """What happened on the way to the last one, whose answer the caller got."""
    if len(attempts) < 2 or attempts[-1]["deployment"] == ranked[0]["deployment"]:
        return None
    ends = {one["end"] for one in attempts[:-1]}
    if "unsure" in ends:
        return "escalated"
    return "hedged" if ends == {"outrun"} else "failover"


def _mode(decision: dict[str, Any]) -> str:
    """The mode and where it is set, and who else would have been first; or whose copy it is."""
    copy, placement = decision["request"].get("copy"), decision["placement"]
    if copy is not None:
        return f"a copy of {copy['of']}"
    if not placement.get("mode"):
        return "-"
    scope = placement.get("given", {}).get("aim", {}).get("scope", "")
    pick, first = placement.get("pick"), [one["deployment"] for one in placement["ranked"][:1]]
    other = f"; else {pick}" if pick and [pick] != first else ""
    return f"{placement['mode']} ({scope}){other}"


def _approval(entry: Entry) -> str:
    """What a person said of it, whose word it was, and when."""
    word = (entry.outcome or {}).get("approval")
    if word is None:
        return "-"
    verb = "approved" if word["approved"] else "denied"
    return f"{verb} by {word['by']} at {moment(word['at'])}"


def _tables(entry: Entry) -> list[Table]:
    decision, outcome = entry.decision, entry.outcome or {}
    facts = table_of("", "", title=f"decision {entry.id}")
    facts.show_header = False
    request, analysis, policy = decision["request"], decision["analysis"], decision["policy"]
    for name, value in zip(_COLUMNS, _row(entry), strict=True):
        facts.add_row(name, value)
    routed = analysis.get("routed")
    route = "-" if routed is None else f"{routed['route']}, by {routed['by']}"
    owed = ", ".join(f"{o['kind']} {o['deployment']}" for o in policy["obligations"])
    for name, value in (
        ("receipt", entry.ref),
        ("request", f"{request['wire']} {request['model']}, {request['size']} bytes"),
        ("digest", request["digest"]),
        ("task", f"{analysis['task']}, needs {analysis['needs']}"),
        ("found by", found_by(analysis)),
        ("route", route),
        ("mode", _mode(decision)),
        ("findings", ", ".join(f["kind"] for f in analysis["findings"]) or "-"),
        ("policy", policy["policy"] + (f": {policy['error']}" if policy["error"] else "")),
        ("obligations", owed or "-"),
        ("approval", _approval(entry)),
        ("tokens", _tokens(outcome.get("usage"))),
        ("cost", _paid(outcome.get("cost"), outcome)),
        ("saved", _paid(outcome.get("saved"), outcome)),
        ("fleet", decision["fleet"]["digest"]),
    ):
        facts.add_row(name, value)
    ranked = table_of("ranked", "score", "adequate", "cost", "ttft_s", "scores")
    for c in decision["placement"]["ranked"]:
        scores = " ".join(f"{name}={value:.2f}" for name, value in c["scores"].items())
        cost = "-" if c["cost"] is None else f"{c['cost']:.2g}"
        adequate = "yes" if c["adequate"] else "no"
        ranked.add_row(
            c["deployment"], f"{c['score']:.3f}", adequate, cost, f"{c['ttft_s']:.2f}", scores
        )
    excluded = table_of("excluded", "by", "because")
    for e in (*policy["exclusions"], *decision["placement"]["exclusions"]):
        excluded.add_row(e["deployment"], e["rule"], e["code"])
    tables = (facts, ranked, excluded, _attempts(outcome))
    return [table for table in tables if table.rows]


def _attempts(outcome: dict[str, Any]) -> Table:
    heads = ("attempt", "where", "end", "peer", "sent", "received", "seconds", "tokens", "cost")
    attempts = table_of(*heads, "obligations")
    for a in outcome.get("attempts", []):
        peer = a["peer"]
        reached = "-" if peer is None else f"{peer['address']}:{peer['port']}"
        where = f"{a['locus']} ({a['jurisdiction']})"
        sizes = (str(a["bytes_out"]), str(a["bytes_in"]), f"{a['duration_s']:.3f}")
        used = (_tokens(a.get("usage")), _paid(a.get("cost"), outcome))
        done = ", ".join(f"{kind}={count}" for kind, count in a.get("obligations", {}).items())
        end = f"{a['end']}, as another model" if a.get("other_model") else a["end"]
        attempts.add_row(a["deployment"], where, end, reached, *sizes, *used, done or "-")
    return attempts


def _tokens(usage: dict[str, Any] | None) -> str:
    """Of the prompt and of the answer; and whether nobody reported them."""
    if usage is None:
        return "-"
    counted = ", counted" if usage.get("counted") else ""
    return f"{usage['prompt_tokens']} + {usage['completion_tokens']}{counted}"


def _paid(amount: float | None, outcome: dict[str, Any]) -> str:
    if amount is None:
        return "-"
    digits = f"{round(amount, 9) + 0.0:.9f}".rstrip("0").rstrip(".")
    return f"{digits} {outcome.get('currency') or ''}".rstrip()
