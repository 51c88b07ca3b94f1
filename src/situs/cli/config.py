"""`situs config`: check, compare and import configurations, print the schema and an example."""

from __future__ import annotations

from pathlib import Path

import click

from situs.cli.options import home_option


@click.group()
def config() -> None:
    """Check, compare and import configurations; print the schema or an example."""


@config.command()
@click.argument(
    "file", default="situs.yaml", type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--print", "show", is_flag=True, help="Show the whole tree with its defaults.")
def check(file: Path, as_json: bool, show: bool) -> None:
    """Say everything that is wrong in FILE (./situs.yaml), and in what it refers to.

    Loads its policy, and looks for the secrets and weights' names it refers to; no secret is
    printed. Warns of secrets that are not here, of names that a policy compares with and nothing
    has, and of contexts that are longer than the weights'. Exits with 2 when there is a problem.
    """
    from situs.config.check import as_json_text, as_yaml_text, check_file
    from situs.config.problems import as_error
    from situs.errors import ConfigError

    reading = check_file(file)
    if as_json:
        click.echo(as_json_text(file, reading, with_config=show))
        raise click.exceptions.Exit(2 if reading.problems else 0)
    for warning in reading.warnings:
        click.echo(f"warning: {warning}", err=True)
    if reading.config is None:
        raise ConfigError(as_error(reading.problems).message, do="")
    if show:
        click.echo(as_yaml_text(reading.config), nl=False)
        return
    count = len(reading.config.deployments)
    click.echo(f"{file}: sound; {count} deployment{'' if count == 1 else 's'}")


@config.command()
def schema() -> None:
    """Print the JSON schema, for editors."""
    from situs.config.reference import schema_text

    click.echo(schema_text(), nl=False)


@config.command()
def example() -> None:
    """Print a commented example with every setting."""
    from situs.config.reference import example_text

    click.echo(example_text(), nl=False)


@config.group("import")
def import_() -> None:
    """Turn another gateway's configuration into one for Situs."""


@import_.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@home_option
@click.option(
    "--keys-dir",
    metavar="DIR",
    help="Where to write literal keys, one file each; as seen from this folder.",
)
def litellm(file: Path, home: str | None, keys_dir: str | None) -> None:
    """Print the configuration for Situs that a LiteLLM proxy's FILE amounts to.

    Put it where you are: situs config import litellm config.yaml > situs.yaml. What was guessed
    says so; what has no counterpart stands at its end. Keys are never printed.
    """
    from situs.config.imports.importing import import_litellm, write_keys

    made = import_litellm(file, home, keys_dir)
    write_keys(made.keys, Path())
    click.echo(made.text, nl=False)
    counts = (
        f"deployments taken over: {made.deployments}, not: {made.refused}; "
        f"settings without counterpart: {made.left}; keys written: {len(made.keys)}"
    )
    click.echo(f"{counts}\nRead every comment before you use it.", err=True)


@config.command()
@click.argument("old", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say what NEW changes against OLD, for requests.

    `!!` marks what lets more pass, `!` what else concerns sovereignty: places, the facts policy
    judges by, the policy itself, who may call. Exits with 0 if nothing changes, 1 if something
    does, 2 when a file is not sound, or its policy cannot be loaded. Secrets are not looked for.
    """
    from situs.config import diff as changed
    from situs.config.load import load

    both = [(load(path), path.resolve().parent) for path in (old, new)]
    policies = [changed.policy_digest(config, base) for config, base in both]
    changes = changed.diff(both[0][0], both[1][0], (policies[0], policies[1]))
    if as_json:
        click.echo(changed.as_json(changes))
    else:
        for line in changed.as_lines(changes):
            click.echo(line)
    raise click.exceptions.Exit(1 if changes else 0)
