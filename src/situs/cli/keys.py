"""`situs keys`: who may call."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import data_option

if TYPE_CHECKING:
    from situs.trust.api_keys import ApiKey

_SCOPES = ("inference", "admin")


def _word(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """One name, or several."""
    from situs.trust.api_keys import is_word

    for text in (value,) if isinstance(value, str) else value:
        if not is_word(text):
            raise click.BadParameter(
                "at most 64 letters, digits and . _ : / @ -, beginning with a letter or digit"
            )
    return value


def _expiry(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Wall time in seconds of what `--expires` says."""
    if value is None:
        return None
    now = datetime.now(UTC)
    try:
        if duration := re.fullmatch(r"([1-9][0-9]{0,4})([dh])", value):
            length = int(duration[1])
            until = now + (
                timedelta(days=length) if duration[2] == "d" else timedelta(hours=length)
            )
        else:
            until = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise click.BadParameter(
            "a duration such as 90d or 12h, or a day such as 2030-01-31"
        ) from None
    if until <= now:
        raise click.BadParameter("this day has begun already")
    return until.timestamp()


@click.group()
def keys() -> None:
    """API keys: make one, list them, take one back."""


@keys.command()
@click.argument("name", callback=_word)
@click.option("--tenant", default="default", show_default=True, callback=_word, help="Whose it is.")
@click.option("--group", "groups", multiple=True, callback=_word, help="A group; repeatable.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(_SCOPES),
    help="What it is for (default: inference); repeatable.",
)
@click.option(
    "--expires", callback=_expiry, metavar="90d|DATE", help="When it ends (default: never)."
)
@click.option("--rpm", type=click.IntRange(1, 10_000_000), help="Requests a minute (default: any).")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(data: Path | None, as_json: bool, **fields: Any) -> None:
    """Make a key and print it, once; only its digest is kept."""
    from situs.config.paths import data_dir
    from situs.trust.api_keys import Grants, Scope, create_key

    scopes = tuple(dict.fromkeys(Scope(scope) for scope in fields.pop("scopes"))) or (
        Scope.INFERENCE,
    )
    groups = tuple(dict.fromkeys(fields.pop("groups")))
    grants = Grants(scopes=scopes, groups=groups, **fields)
    kept, key = create_key(data_dir(data), grants, time.time())
    if as_json:
        click.echo(json.dumps({**_row(kept), "key": key}, indent=2))
        return
    click.echo(key)
    click.echo(f"The key {kept.id} is shown this once; keep it where secrets are kept.", err=True)


@keys.command("list")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_keys(data: Path | None, as_json: bool) -> None:
    """List every key, without the key itself."""
    from situs.config.paths import data_dir
    from situs.trust.api_keys import load_keys

    found = load_keys(data_dir(data)).keys
    if as_json:
        click.echo(json.dumps([_row(key) for key in found], indent=2))
        return
    if not found:
        click.echo("No keys yet; `situs keys create NAME` makes one.")
        return
    from situs.cli.render import keys as rendered

    rendered(found, time.time())


@keys.command()
@click.argument("id")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def revoke(id: str, data: Path | None, as_json: bool) -> None:  # noqa: A002 - the name in the help
    """Take back the key with this ID; a running gateway refuses it within about a second."""
    from situs.config.paths import data_dir
    from situs.trust.api_keys import revoke_key

    key = revoke_key(data_dir(data), id, time.time())
    if as_json:
        click.echo(json.dumps(_row(key), indent=2))
    else:
        click.echo(f"{key.id} ({key.name}): revoked {_when(key.revoked)}")


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "groups": list(key.groups),
        "scopes": [scope.value for scope in key.scopes],
        "rpm": key.rpm,
        "created": _when(key.created),
        "expires": _when(key.expires),
        "revoked": _when(key.revoked),
    }


def _when(at: float | None) -> str | None:
    """RFC 3339, to the second."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
