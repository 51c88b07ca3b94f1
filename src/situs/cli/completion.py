"""`situs completion`: tab completion for the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from situs.errors import OperatorError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL; eval it in your shell's start-up file.

    \b
    eval "$(situs completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise OperatorError(f"There is no completion for {shell}.")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "situs", "_SITUS_COMPLETE").source())
