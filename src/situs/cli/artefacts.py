"""`situs artefacts`: what was learned, version by version, and which of it answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from situs.cli.options import config_option, data_option, setting_from
from situs.cli.tables import json_option, print_json, show_tables, table_of

if TYPE_CHECKING:
    from situs.app.setting import Setting
    from situs.learning.versions import Kept


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from situs.config.paths import data_dir
    from situs.learning.versions import kept

    found = kept(data_dir(ctx.params.get("data")))
    if param.name == "version":
        names = [one.version for one in found if one.head == ctx.params.get("head")]
    else:
        names = list(dict.fromkeys(one.head for one in found))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.group()
def artefacts() -> None:
    """What was learned: versions of the package and your own, and which answers.

    A head is a learned function; the configuration names the version of each that answers:

    \b
    analysis:
      artefacts: {task: trained-1}
    """


@artefacts.command("list")
@config_option
@data_option
@json_option
def list_artefacts(config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the versions of each head; `active` marks the one that answers."""
    from situs.learning.versions import kept

    setting = setting_from(config, data)
    rows = [_row(one, setting) for one in kept(setting.data)]
    if as_json:
        print_json(rows)
        return
    table = table_of("head", "version", "from", "", "digest", "about")
    for row in rows:
        state = (row["problem"] and "damaged") or ("active" if row["active"] else "")
        digest = (row["digest"] or "")[:12]
        table.add_row(row["head"], row["version"], row["from"], state, digest, row["about"])
    show_tables(table)


@artefacts.command()
@click.argument("head", shell_complete=_complete)
@click.argument("version", required=False, shell_complete=_complete)
@config_option
@data_option
@json_option
def show(
    head: str, version: str | None, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Print the card of VERSION of HEAD, without one of the version that answers."""
    import msgspec

    from situs.learning.versions import open_version

    setting = setting_from(config, data)
    wanted = setting.config.analysis.artefacts.get(head)
    found = open_version(head, wanted if version is None else version, setting.data)
    active = open_version(head, wanted, setting.data).folder == found.folder
    card = {"digest": found.digest, "active": active, **msgspec.to_builtins(found.card)}
    if as_json:
        print_json(card)
        return
    click.echo(msgspec.json.format(msgspec.json.encode(card), indent=2))


def _row(one: Kept, setting: Setting) -> dict[str, Any]:
    """A version as it is listed; `problem` says why it cannot be used."""
    from situs.errors import OperatorError
    from situs.learning.artefacts import load
    from situs.learning.limits import check

    wanted = setting.config.analysis.artefacts.get(one.head)
    active = one.shipped if wanted is None else one.version == wanted.partition("@")[0]
    digest, about, problem = None, "", None
    try:
        found = load(one.folder)
        digest, about = found.digest, found.card.about
        check(found)
    except OperatorError as error:
        problem = error.message
    return {
        "head": one.head,
        "version": one.version,
        "from": "package" if one.shipped else "trained",
        "active": active,
        "digest": digest,
        "about": about,
        "problem": problem,
        "folder": str(one.folder),
    }
