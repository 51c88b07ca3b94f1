"""`situs`: the command line. Commands are imported when they are called, so help is quick."""

from __future__ import annotations

import importlib
import sys

import click

from situs import __version__
from situs.errors import SitusError

_COMMANDS = {
    "up": "situs.cli.serve:up",
    "serve": "situs.cli.serve:serve",
    "explain": "situs.cli.explain:explain",
    "decisions": "situs.cli.receipts:decisions",
    "receipts": "situs.cli.receipts:receipts",
    "policy": "situs.cli.policy:policy",
    "config": "situs.cli.config:config",
    "models": "situs.cli.models:models",
    "doctor": "situs.cli.doctor:doctor",
    "completion": "situs.cli.completion:completion",
}
_SUMMARIES = {
    "up": "Start the gateway with an owned local model; nothing to configure.",
    "serve": "Start the gateway with your own fleet (situs.yaml).",
    "explain": "Say where a request would go, and why; nothing is sent.",
    "decisions": "Look at past decisions.",
    "receipts": "Verify and show the tamper-evident record.",
    "policy": "Check, test and evaluate policies.",
    "config": "Check the configuration, print its schema.",
    "models": "Fetch and verify the weights you own.",
    "doctor": "Say for each feature: active or not, because.",
    "completion": "Print the tab completion for your shell.",
}


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
    """Run a command. Operator errors are printed, without a traceback, and exit with 2."""
    try:
        cli(standalone_mode=True)
    except SitusError as error:
        click.echo(f"situs: {error.message}", err=True)
        click.echo(f"  {error.advice}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
