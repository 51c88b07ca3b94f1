"""`situs receipts`: the tamper-evident record, checked and looked at."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from situs.cli import proofs
from situs.cli.proofs import existing, key_option
from situs.cli.tables import counted, json_option, print_json, show_tables, table_of
from situs.cli.when import moment, when_in_days
from situs.errors import OperatorError

if TYPE_CHECKING:
    from situs.stores.lines import Cited
    from situs.stores.retention import Retirement
    from situs.stores.verify import Report

_data = click.option(
    "--data",
    envvar="SITUS_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory; receipts lie in its receipts folder.",
)


_YOUNG_S = 86400.0
"""What was written since then goes only when it is said twice."""


def _directory(data: Path | None) -> Path:
    from situs.config.paths import data_dir

    return data_dir(data)


@click.group()
def receipts() -> None:
    """The tamper-evident record: verify it, look at a line, copy it out, let old parts go."""


for _command in (proofs.prove, proofs.check, proofs.consistency, proofs.anchor, proofs.rotate_key):
    receipts.add_command(_command)


@receipts.command()
@_data
@key_option
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="PLACE",
    help="What must be in the record: a file of anchors, receipts or proofs, a folder of "
    "time-stamped anchors, or git:REPOSITORY; may be repeated.",
)
@click.option(
    "--authority",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificates (PEM) that the time stamps' signer must descend from.",
)
@json_option
def verify(
    data: Path | None,
    key_files: tuple[Path, ...],
    anchors: tuple[str, ...],
    authority: Path | None,
    as_json: bool,
) -> None:
    """Check every link, Merkle root and signature, and that nothing is missing.

    Exits with 1 when something does not hold, or when there is nothing to verify.
    """
    from situs.stores.layout import receipts_dir
    from situs.stores.verify import NOTHING
    from situs.stores.verify import verify as check
    from situs.trust.keys import load_public_key, pinned_keys

    directory = existing(data)
    if key_files:
        keys = [load_public_key(path) for path in key_files]
    else:
        keys = pinned_keys(directory / "keys")
    held = _held(anchors, authority)
    report = check(receipts_dir(directory), keys, held)
    if as_json:
        print_json(report)
    elif any(problem.code == NOTHING for problem in report.problems):
        click.echo(f"nothing to verify: {receipts_dir(directory)} holds no receipt")
    else:
        _print_report(report, len(keys), len(held))
    sys.exit(1 if report.problems else 0)


def _held(anchors: tuple[str, ...], authority: Path | None) -> list[Cited]:
    """What others hold of the record. Raises AnchorError."""
    from situs.stores.anchor_places import anchors_at, check_stamps
    from situs.stores.anchors import held

    if authority is not None:
        folders = [Path(where) for where in anchors if Path(where).is_dir()]
        if not folders:
            raise click.UsageError("--authority has no effect without --anchor FOLDER")
        stamps = sum(check_stamps(folder, authority) for folder in folders)
        click.echo(f"{counted(stamps, 'time stamp')} signed as {authority} says", err=True)
    return [line for where in anchors for line in held(anchors_at(where), where)]


def _print_report(report: Report, pinned: int, held: int) -> None:
    table = table_of("chain", "lines", "retired", "checkpoints", "unsigned", "end")
    for chain in report.chains:
        end = "closed" if chain.closed else "torn last line" if chain.torn else "open or killed"
        if not chain.lines:
            end = "retired"
        numbers = (chain.lines, chain.retired, chain.checkpoints, chain.unsigned)
        table.add_row(chain.chain, *map(str, numbers), end)
    if report.chains:
        show_tables(table)
    for chain in report.chains:
        if chain.tail is not None:
            lines = counted(chain.unsigned, "line")
            click.echo(f"unsigned tail of {chain.chain}: {lines} from seq {chain.tail} on")
    click.echo(f"trusted keys: {', '.join(report.keys[:pinned]) or 'none'}")
    if named := report.keys[pinned:]:
        click.echo(f"and those that they name: {', '.join(named)}")
    if held:
        click.echo(f"held elsewhere: {counted(held, 'line')}")
    click.echo(
        f"{counted(report.lines, 'line')}, {counted(report.decisions, 'decision')}, "
        f"{counted(report.outcomes, 'outcome')}, "
        f"{counted(report.open_decisions, 'decision')} without an outcome"
    )
    for problem in report.problems:
        where = f"{problem.file}:{problem.line}"
        seq = "" if problem.seq is None else f" seq {problem.seq}"
        click.echo(f"{where}{seq}: {problem.code}: {problem.what}")
    count = len(report.problems) + report.more_problems
    click.echo(f"NOT SOUND: {counted(count, 'problem')}" if count else "sound")


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
    from situs.stores.layout import chains, is_witness, receipts_dir, roots, segments

    directory = existing(data)
    _check_target(target, directory, force)
    after = 0.0 if since is None else since.replace(tzinfo=UTC).timestamp()
    copied = set()
    # Witnesses and heads first: a gateway may be writing, and what they cite must come too.
    for only in (True, False):
        for folder in chains(receipts_dir(directory)):
            files = (*folder.glob("head.json"), *roots(folder), *segments(folder))
            if not files or files[-1].stat().st_mtime < after or is_witness(folder) is not only:
                continue
            into = receipts_dir(target) / folder.name
            into.mkdir(parents=True, exist_ok=True)
            for path in files:
                shutil.copy2(path, into / path.name)
            copied.add(folder.name)
    keys = target / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    for path in (directory / "keys").glob("*.pub"):
        shutil.copy2(path, keys / path.name)
    click.echo(f"{counted(len(copied), 'chain')} copied to {target}")


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


@receipts.command()
@click.option(
    "--before",
    required=True,
    type=when_in_days,
    metavar="TIME",
    help="Segments whose last line is older go: 90d, 12w, or a date (UTC).",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go; a gateway may run.")
@click.option("--yes", is_flag=True, help="Also what was written within the last day.")
@_data
@json_option
def retire(before: float, dry_run: bool, yes: bool, data: Path | None, as_json: bool) -> None:
    """Remove old segments; their signed roots stay, and the rest still verifies.

    No gateway may run on the data directory. Exits with 1 when something that is old enough stays:
    it does not verify, or the index has not read it.
    """
    from situs.stores.lock import DataLock
    from situs.stores.retention import NOT_READ

    directory = existing(data)
    if dry_run:
        done = _retire(directory, before, dry_run=True)
    else:
        with DataLock(directory):
            if not yes and before > time.time() - _YOUNG_S:
                raise _too_young(_retire(directory, before, dry_run=True))
            done = _retire(directory, before, dry_run=False)
    if as_json:
        print_json(done)
    else:
        _print_retired(done, dry_run=dry_run)
    if any(one.kept == NOT_READ for one in done):
        click.echo("not_read: the index has not read it; run `situs index rebuild`", err=True)
    sys.exit(1 if any(one.kept for one in done) else 0)


def _retire(directory: Path, before: float, *, dry_run: bool) -> list[Retirement]:
    from situs.stores.layout import receipts_dir
    from situs.stores.retention import read_by_index, retire
    from situs.trust.keys import open_signing_key, pinned_keys

    signer, keys = open_signing_key(directory / "keys"), pinned_keys(directory / "keys")
    return retire(receipts_dir(directory), signer, keys, before, read_by_index(directory), dry_run)


def _too_young(due: list[Retirement]) -> OperatorError:
    """What is said of a time that is in the future or hardly past."""
    gone = [one for one in due if one.kept is None]
    what = f"{counted(len(gone), 'segment')} with {counted(sum(o.lines for o in gone), 'line')}"
    last = f", the last of {moment(max(one.ended for one in gone))}" if gone else ""
    return OperatorError(
        f"--before is in the future, or less than a day ago: {what} would go{last}.",
        do="Nothing was removed. Name an earlier time, or add --yes if this is meant.",
    )


def _print_retired(done: list[Retirement], *, dry_run: bool) -> None:
    table = table_of("segment", "lines", "first line", "last line", "MB", "")
    gone = [one for one in done if one.kept is None]
    for one in done:
        times = ("", "")
        if one.kept is None:
            times = (moment(one.began), moment(one.ended))
        size = f"{one.size / 1e6:.1f}"
        why = f"stays: {one.kept}" if one.kept else ""
        table.add_row(f"{one.chain}/{one.file}", str(one.lines), *times, size, why)
    if done:
        show_tables(table)
    verb = "would be retired" if dry_run else "retired"
    click.echo(f"{counted(len(gone), 'segment')} {verb}")


@receipts.command("erase")
@click.argument("wanted", metavar="ID")
@_data
def erase_salt(wanted: str, data: Path | None) -> None:
    """Destroy the salt of one request, named by its id or by chain:sequence.

    Its digests then fit no text any more; the record stays whole and verifies. A gateway may run.
    """
    from situs.stores.decisions import find
    from situs.stores.layout import receipts_dir
    from situs.stores.retention import erase

    directory = existing(data)
    entry = find(directory, wanted)
    if entry is None:
        raise OperatorError(
            "There is no such decision.",
            do="See `situs decisions tail`; a retired one has no salt.",
        )
    chain, _, file = entry.file.partition("/")
    done = erase(receipts_dir(directory), chain, file, entry.decision["request"]["salt"])
    click.echo(f"the salt of {entry.id} {'is erased' if done else 'was erased before'}")
