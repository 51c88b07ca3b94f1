"""`situs receipts`: what is handed to others: proofs, anchors, and another signing key."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import msgspec

from situs.cli.options import data_option
from situs.cli.tables import counted
from situs.errors import OperatorError, SegmentError

KEY_HELP = "A public key (PEM) to trust instead of those in the keys folder; may be repeated."
key_option = click.option(
    "--key",
    "key_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=KEY_HELP,
)


def existing(data: Path | None) -> Path:
    """Raises OperatorError when there is no such directory: nothing is never sound."""
    from situs.config.paths import data_dir

    directory = data_dir(data)
    if not directory.is_dir():
        raise OperatorError(
            f"There is no data directory {directory}.", do="Name it with --data, or SITUS_DATA."
        )
    return directory


@click.command()
@click.argument("ref", metavar="CHAIN:SEQ")
@data_option
def prove(ref: str, data: Path | None) -> None:
    """Print a proof that a line is in the record, signed: one line of JSON.

    Anybody checks it with `situs receipts check` and the public key alone; the line is in it.
    """
    from situs.stores.layout import receipts_dir
    from situs.stores.proofs import prove as proof_of

    directory = existing(data)
    _print_sound(proof_of(receipts_dir(directory), *_place(ref)), directory)


@click.command()
@click.argument("old")
@click.argument("new", required=False)
@data_option
def consistency(old: str, new: str | None, data: Path | None) -> None:
    """Print a proof that a chain only grew between two of its checkpoints: one line of JSON.

    OLD and NEW are checkpoints, as CHAIN:SEQ or as a file that holds the line, such as a copy of
    head.json. Without NEW it is the chain's newest one.
    """
    from situs.stores.layout import HEAD_FILE, receipts_dir
    from situs.stores.proofs import checkpoint_of, grown

    directory = existing(data)
    receipts = receipts_dir(directory)
    before = _line(receipts, old)
    newest = receipts / checkpoint_of(before).chain / HEAD_FILE
    after = _line(receipts, str(newest) if new is None else new)
    _print_sound(grown(receipts, before, after), directory)


@click.command()
@click.argument("proof", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@key_option
def check(proof: Path, key_files: tuple[Path, ...]) -> None:
    """Check a proof with nothing but public keys, here or anywhere.

    Exits with 1 when it does not hold.
    """
    from situs.stores.proofs import Inclusion, checkpoint_of, problem_of, read_proof
    from situs.trust.keys import load_public_key

    if not key_files:
        raise click.UsageError("name the public key that you trust with --key")
    read = read_proof(proof.read_bytes())
    problem = problem_of(read, [load_public_key(path) for path in key_files])
    if problem is not None:
        click.echo(f"NOT PROVED: {problem}")
        sys.exit(1)
    if isinstance(read, Inclusion):
        click.echo(msgspec.json.format(read.line))
        under = checkpoint_of(read.checkpoint.encode())
        click.echo(f"proved: this line is in the record, under {under.chain}:{under.seq}")
        return
    older, newer = (checkpoint_of(line.encode()) for line in (read.old, read.new))
    lines = older.first + older.size
    click.echo(
        f"proved: all {counted(lines, 'line')} under {older.chain}:{older.seq} are the first of "
        f"those under {newer.chain}:{newer.seq}"
    )


@click.command("rotate-key")
@data_option
def rotate_key(data: Path | None) -> None:
    """Sign with a new key from now on; the old one names it, and is trusted for what it signed.

    A gateway that runs takes the new key at `situs reload`, one that is started at once.
    """
    from situs.trust.keys import rotate_signing_key

    keys = existing(data) / "keys"
    old, new = rotate_signing_key(keys, int(time.time()))
    click.echo(f"{old.id} names {new.id}; a running gateway takes it at `situs reload`")
    click.echo(f"who trusts {keys / f'receipts-{old.id}.pub'} need not be told")


@click.command()
@click.option("--to", required=True, help="A file that grows, git:REPOSITORY or rfc3161:URL.")
@data_option
def anchor(to: str, data: Path | None) -> None:
    """Put the newest checkpoint of each chain somewhere else, unless it is there already.

    `situs receipts verify --anchor` then finds what is cut, replaced or rolled back. A gateway may
    run; under `receipts.anchor` it does the same every few minutes.
    """
    from situs.config.rules import anchor_problem
    from situs.stores.anchor_places import place
    from situs.stores.anchors import Anchoring
    from situs.stores.layout import receipts_dir

    directory = existing(data)
    if problem := anchor_problem(to):
        raise click.BadParameter(problem, param_hint="--to")
    done = Anchoring(receipts_dir(directory), place(to, directory, Path())).run(time.time())
    click.echo(f"{counted(done, 'checkpoint')} put to {to}")


def _place(ref: str) -> tuple[str, int]:
    chain, _, seq = ref.rpartition(":")
    if not chain.isalnum() or not (seq.isascii() and seq.isdigit()):
        raise SegmentError(
            "This names no line.", do="Give chain:sequence, as x-situs-receipt does, or a file."
        )
    return chain, int(seq)


def _line(receipts: Path, named: str) -> bytes:
    """A line by its place, or what a file holds."""
    from situs.stores.proofs import line_at

    path = Path(named)
    return path.read_bytes().strip() if path.is_file() else line_at(receipts, *_place(named))


def _print_sound(proof: msgspec.Struct, directory: Path) -> None:
    """Nobody is handed a proof that does not hold with the keys that are here."""
    from situs.stores.proofs import Consistency, Inclusion, problem_of
    from situs.trust.keys import pinned_keys

    if isinstance(proof, Inclusion | Consistency):
        problem = problem_of(proof, pinned_keys(directory / "keys"))
        if problem is not None:
            raise SegmentError(f"The record does not prove it: {problem}.")
    click.echo(msgspec.json.encode(proof))
