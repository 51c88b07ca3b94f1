"""`situs receipts` and `situs decisions`: the tamper-evident record, checked and looked at."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from situs.errors import OperatorError

if TYPE_CHECKING:
    from rich.table import Table

    from situs.stores.decisions import Entry
    from situs.stores.verify import Report

_data = click.option(
    "--data",
    envvar="SITUS_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory; receipts lie in its receipts folder.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _directory(data: Path | None) -> Path:
    from situs.config.paths import data_dir

    return data_dir(data)


def _existing(data: Path | None) -> Path:
    """Raises OperatorError when there is no such directory: nothing is never sound."""
    directory = _directory(data)
    if not directory.is_dir():
        raise OperatorError(
            f"There is no data directory {directory}.", do="Name it with --data, or SITUS_DATA."
        )
    return directory


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.encode(value))


@click.group()
def receipts() -> None:
    """The tamper-evident record: verify it, look at a line, copy it out."""


@receipts.command()
@_data
@click.option(
    "--key",
    "key_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A public key (PEM) to trust instead of those in the keys folder; may be repeated.",
)
@_json
def verify(data: Path | None, key_files: tuple[Path, ...], as_json: bool) -> None:
    """Check every link, Merkle root and signature.

    Exits with 1 when something does not hold, or when there is nothing to verify.
    """
    from situs.stores.layout import receipts_dir
    from situs.stores.verify import NOTHING
    from situs.stores.verify import verify as check
    from situs.trust.keys import load_public_key, pinned_keys

    directory = _existing(data)
    if key_files:
        keys = [load_public_key(path) for path in key_files]
    else:
        keys = pinned_keys(directory / "keys")
    report = check(receipts_dir(directory), keys)
    if as_json:
        _print_json(report)
    elif any(problem.code == NOTHING for problem in report.problems):
        click.echo(f"nothing to verify: {receipts_dir(directory)} holds no receipt")
    else:
        _print_report(report, [key.id for key in keys])
    sys.exit(1 if report.problems else 0)


def _print_report(report: Report, keys: list[str]) -> None:
    table = _table("chain", "lines", "checkpoints", "unsigned", "end")
    for chain in report.chains:
        end = "closed" if chain.closed else "torn last line" if chain.torn else "open or killed"
        numbers = (chain.lines, chain.checkpoints, chain.unsigned)
        table.add_row(chain.chain, *map(str, numbers), end)
    if report.chains:
        _show(table)
    click.echo(f"trusted keys: {', '.join(keys) or 'none'}")
    click.echo(
        f"{_count(report.lines, 'line')}, {_count(report.decisions, 'decision')}, "
        f"{_count(report.outcomes, 'outcome')}, "
        f"{_count(report.open_decisions, 'decision')} without an outcome"
    )
    for problem in report.problems:
        where = f"{problem.file}:{problem.line}"
        seq = "" if problem.seq is None else f" seq {problem.seq}"
        click.echo(f"{where}{seq}: {problem.code}: {problem.what}")
    count = len(report.problems) + report.more_problems
    click.echo(f"NOT SOUND: {_count(count, 'problem')}" if count else "sound")


@receipts.command()
@click.argument("ref", metavar="CHAIN:SEQ")
@_data
def show(ref: str, data: Path | None) -> None:
    """Print one line of the record."""
    from situs.stores.decisions import read_line

    line = read_line(_directory(data), ref)
    if line is None:
        raise OperatorError(
            "There is no such receipt.", do="Give chain:sequence, as x-situs-receipt does."
        )
    click.echo(msgspec.json.format(msgspec.json.encode(line)))


@receipts.command()
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
@_data
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Leave out chains that were last written before this time (UTC).",
)
@click.option("--force", is_flag=True, help="Write over a copy that is there already.")
def export(target: Path, data: Path | None, since: datetime | None, force: bool) -> None:
    """Copy chains and public keys to TARGET, laid out as a data directory. Salts stay here."""
    from situs.stores.layout import chains, receipts_dir, segments

    directory = _existing(data)
    _check_target(target, directory, force)
    after = 0.0 if since is None else since.replace(tzinfo=UTC).timestamp()
    copied = 0
    for folder in chains(receipts_dir(directory)):
        files = segments(folder)
        if not files or files[-1].stat().st_mtime < after:
            continue
        into = receipts_dir(target) / folder.name
        into.mkdir(parents=True, exist_ok=True)
        # The head first: a gateway may be writing, and lines may be newer than the head, not older.
        for path in (*folder.glob("head.json"), *files):
            shutil.copy2(path, into / path.name)
        copied += 1
    keys = target / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    for path in (directory / "keys").glob("*.pub"):
        shutil.copy2(path, keys / path.name)
    click.echo(f"{_count(copied, 'chain')} copied to {target}")


def _check_target(target: Path, directory: Path, force: bool) -> None:
    """Raises OperatorError for a place where a copy would harm the record or an earlier copy."""
    if target.resolve().is_relative_to(directory.resolve()):
        raise OperatorError(
            f"{target} is inside the data directory.", do="Copy to a place outside of it."
        )
    if not force and any((target / name).exists() for name in ("receipts", "keys")):
        raise OperatorError(
            f"There is a copy in {target} already.",
            do="Choose another place, or write over it with --force.",
        )


@click.group()
def decisions() -> None:
    """Past decisions: where requests went, and why."""


@decisions.command()
@_data
@click.option(
    "-n", "count", default=20, show_default=True, type=click.IntRange(0), help="How many."
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with new ones as they end.")
@click.option(
    "-w",
    "--wide",
    is_flag=True,
    help="With year, findings, locus, objective and reason, as on a terminal of 160 columns.",
)
@_json
def tail(data: Path | None, count: int, follows: bool, wide: bool, as_json: bool) -> None:
    """List the newest decisions."""
    from situs.stores.decisions import follow
    from situs.stores.decisions import tail as newest

    directory = _directory(data)
    wide = wide or (sys.stdout.isatty() and shutil.get_terminal_size().columns >= _WIDE)
    row = _row if wide else _short_row
    coming = follow(directory)
    entries = newest(directory, count)
    if as_json:
        for entry in entries:
            _print_json(entry)
    elif entries:
        table = _table(*(_COLUMNS if wide else _SHORT_COLUMNS))
        for entry in entries:
            table.add_row(*row(entry))
        _show(table)
    elif not follows:
        click.echo("no decisions yet")
    if not follows:
        return
    for entry in coming:
        if as_json:
            _print_json(entry)
        else:
            click.echo("  ".join(row(entry)))


@decisions.command("show")
@click.argument("wanted", metavar="ID")
@_data
@_json
def show_decision(wanted: str, data: Path | None, as_json: bool) -> None:
    """Show one decision whole, by its id or by chain:sequence."""
    from situs.stores.decisions import find

    entry = find(_directory(data), wanted)
    if entry is None:
        raise OperatorError("There is no such decision.", do="See `situs decisions tail`.")
    if as_json:
        _print_json(entry)
        return
    _show(*_tables(entry), between="\n")


_COLUMNS = ("time", "id", "label", "objective", "went to", "end", "reason")
_SHORT_COLUMNS = ("time", "id", "label", "went to", "end")
_WIDE = 160


def _show(*tables: Table, between: str = "") -> None:
    """As wide as the terminal; elsewhere as wide as needed, and no blanks at the ends of lines."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 240, markup=False, highlight=False, emoji=False)
    for number, table in enumerate(tables):
        click.echo(between if number else "", nl=False)
        if terminal:
            console.print(table)
            continue
        with console.capture() as capture:
            console.print(table)
        for line in capture.get().splitlines():
            click.echo(line.rstrip())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _table(*columns: str, title: str | None = None) -> Table:
    from rich.table import Table

    table = Table(
        *columns, title=title, box=None, title_justify="left", pad_edge=False, header_style="dim"
    )
    for column in table.columns:
        column.overflow = "fold"
    return table


def _row(entry: Entry) -> tuple[str, ...]:
    decision = entry.decision
    at = datetime.fromtimestamp(decision["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    return (
        at,
        entry.id,
        _label(entry),
        decision["placement"]["objective"],
        _destination(entry),
        _end(entry),
        _reason(entry),
    )


def _short_row(entry: Entry) -> tuple[str, ...]:
    """What fits into a hundred columns."""
    at = datetime.fromtimestamp(entry.decision["at"], UTC).strftime("%m-%d %H:%M:%S")
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
    if len(outcome.get("attempts", ())) > 1:
        return "failover"
    if decision["request"]["model"] != "auto":
        return "pinned"
    return "only_candidate" if len(placement["ranked"]) == 1 else str(placement["objective"])


def _tables(entry: Entry) -> list[Table]:
    decision = entry.decision
    facts = _table("", "", title=f"decision {entry.id}")
    facts.show_header = False
    request, analysis, policy = decision["request"], decision["analysis"], decision["policy"]
    for name, value in zip(_COLUMNS, _row(entry), strict=True):
        facts.add_row(name, value)
    owed = ", ".join(f"{o['kind']} {o['deployment']}" for o in policy["obligations"])
    for name, value in (
        ("receipt", entry.ref),
        ("request", f"{request['wire']} {request['model']}, {request['size']} bytes"),
        ("digest", request["digest"]),
        ("task", f"{analysis['task']}, needs {analysis['needs']} ({analysis['tier']})"),
        ("findings", ", ".join(f["kind"] for f in analysis["findings"]) or "-"),
        ("policy", policy["policy"] + (f": {policy['error']}" if policy["error"] else "")),
        ("obligations", owed or "-"),
        ("fleet", decision["fleet"]["digest"]),
    ):
        facts.add_row(name, value)
    ranked = _table("ranked", "score", "adequate", "cost", "ttft_s", "scores")
    for c in decision["placement"]["ranked"]:
        scores = " ".join(f"{name}={value:.2f}" for name, value in c["scores"].items())
        cost = "-" if c["cost"] is None else f"{c['cost']:.2g}"
        adequate = "yes" if c["adequate"] else "no"
        ranked.add_row(
            c["deployment"], f"{c['score']:.3f}", adequate, cost, f"{c['ttft_s']:.2f}", scores
        )
    excluded = _table("excluded", "by", "because")
    for e in (*policy["exclusions"], *decision["placement"]["exclusions"]):
        excluded.add_row(e["deployment"], e["rule"], e["code"])
    attempts = _table("attempt", "where", "end", "peer", "sent", "received", "seconds")
    for a in (entry.outcome or {}).get("attempts", []):
        peer = a["peer"]
        reached = "-" if peer is None else f"{peer['address']}:{peer['port']}"
        where = f"{a['locus']} ({a['jurisdiction']})"
        sizes = (str(a["bytes_out"]), str(a["bytes_in"]))
        attempts.add_row(
            a["deployment"], where, a["end"], reached, *sizes, f"{a['duration_s']:.3f}"
        )
    return [table for table in (facts, ranked, excluded, attempts) if table.rows]
