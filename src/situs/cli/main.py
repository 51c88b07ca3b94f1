"""`situs`: the command line. Commands are imported when they are called, so help is quick."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from situs import __version__
from situs.errors import SitusError

_COMMANDS = {
    "up": "situs.cli.serve:up",
    "serve": "situs.cli.serve:serve",
    "reload": "situs.cli.reload:reload",
    "explain": "situs.cli.explain:explain",
    "decisions": "situs.cli.decisions:decisions",
    "usage": "situs.cli.usage:usage",
    "top": "situs.cli.top:top",
    "receipts": "situs.cli.receipts:receipts",
    "index": "situs.cli.index:index",
    "policy": "situs.cli.policy:policy",
    "config": "situs.cli.config:config",
    "models": "situs.cli.models:models",
    "eval": "situs.cli.eval:evaluate",
    "train": "situs.cli.train:train",
    "artefacts": "situs.cli.artefacts:artefacts",
    "keys": "situs.cli.keys:keys",
    "approvals": "situs.cli.approvals:approvals",
    "feedback": "situs.cli.feedback:feedback",
    "bench": "situs.cli.bench:bench",
    "modes": "situs.cli.modes:modes",
    "egress": "situs.cli.egress:egress",
    "drill": "situs.cli.drill:drill",
    "conformance": "situs.cli.conformance:conformance",
    "doctor": "situs.cli.doctor:doctor",
    "completion": "situs.cli.completion:completion",
}
_SUMMARIES = {
    "up": "Start the gateway with an owned local model; nothing to configure.",
    "serve": "Start the gateway with your own fleet (situs.yaml).",
    "reload": "Make the running gateway read configuration and policy again.",
    "explain": "Say where a request would go, and why; nothing is sent.",
    "decisions": "Look at past decisions.",
    "usage": "Requests, tokens, cost, and the share that owned loci served.",
    "top": "Show what the running gateway does now.",
    "receipts": "Verify and show the tamper-evident record.",
    "index": "The index over the receipts: how it is, and make it anew.",
    "policy": "Check, test and evaluate policies.",
    "config": "Check the configuration, print its schema.",
    "models": "Fetch and verify the weights you own; what models cost.",
    "eval": "Measure how well requests are understood, on files of your own.",
    "train": "Learn from rows of your own; nothing is active until you say so.",
    "artefacts": "What was learned: versions, and which of them answers.",
    "keys": "Make, list and revoke API keys: who may call.",
    "approvals": "What waits for a person's word, and that word.",
    "feedback": "What answers were worth, and what is believed of models for it.",
    "bench": "Ask every place the same: how good, how fast, how dear.",
    "modes": "Who serves while you move in: modes, copies, pilots.",
    "egress": "What the gateway may connect to, and who holds it to that.",
    "drill": "Try what goes on when others are gone.",
    "conformance": "Try whether this installation does what the reference says.",
    "doctor": "Say for each feature: active or not, because.",
    "completion": "Print the tab completion for your shell.",
}
_MORE_FILES = "Allow it more open files: `ulimit -n 4096` before it."


class _Commands(click.Group):
    """Knows every command by name and summary; imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{target} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_SUMMARIES.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="situs")
def cli() -> None:
    """Situs decides where each LLM request runs, and proves where it did."""


def main() -> None:
    """Run a command. Errors are printed, without a traceback, and exit with 2.

    When nobody reads the output any more, it ends quietly, with 1.
    """
    # Small products are slower on many threads, much slower where other programs use them, too.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _have_stdout()
    try:
        try:
            cli(standalone_mode=True)
        finally:
            sys.stdout.flush()
    except SitusError as error:
        _tell(error.message, error.advice)
        sys.exit(2)
    except BrokenPipeError:
        _drop_stdout()
        sys.exit(1)
    except OSError as error:
        _drop_stdout()
        words = error.strerror or str(error)
        told = words if error.filename is None else f"{error.filename}: {words}"
        _tell(told, _MORE_FILES if error.errno == errno.EMFILE else "")
        sys.exit(2)


def _tell(message: str, advice: str = "") -> None:
    click.echo(f"situs: {message}", err=True)
    if advice:
        click.echo(f"  {advice}", err=True)


def _have_stdout() -> None:
    """Started without a standard output: nobody reads, and no file may take its number."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - kept to the end


def _drop_stdout() -> None:
    """What could not be written is not tried again when the interpreter ends."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    main()
