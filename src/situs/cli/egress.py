"""`situs egress`: what the gateway may connect to, and who holds it to that."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import config_option, data_option, setting_from
from situs.cli.tables import json_option, print_json, show_tables, table_of
from situs.errors import OperatorError

if TYPE_CHECKING:
    from situs.app.egress_rules import Rules

_LAST_PORT = 65_535
_FORMATS = ("nftables", "netns", "systemd", "networkpolicy")


def _user(_: click.Context, __: click.Parameter, value: str | None) -> int:
    if value is None:
        return os.getuid()
    try:
        return int(value) if value.isdecimal() else pwd.getpwnam(value).pw_uid
    except KeyError:
        raise click.BadParameter(f"there is no user {value}") from None


def _group(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"/?[\w.@:-]+(/[\w.@:-]+)*", value):
        raise click.BadParameter("a path below the root of control groups")
    return value


def _scoped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose connections are limited."""
    user = click.option(
        "--user", callback=_user, help="Who runs the gateway: a name or a number (default: you)."
    )
    group = click.option(
        "--cgroup",
        callback=_group,
        metavar="PATH",
        help="Its control group (v2), such as system.slice/situs.service, instead of the user.",
    )
    return user(group(config_option(command)))


@click.group()
def egress() -> None:
    """What the gateway may connect to, and who holds it to that."""


@egress.command("list")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """Every place that may be connected to, with the addresses that its name means now.

    What Situs runs itself is reached on loopback and not listed.
    """
    rules = _rules(config)
    if as_json:
        print_json(rules)
        return
    table = table_of("for", "host", "port", "addresses")
    for place in rules.places:
        table.add_row(place.name, place.host, str(place.port), " ".join(place.networks))
    show_tables(table)


@egress.command()
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="nftables", show_default=True
)
@click.option("--clients", multiple=True, metavar="NETWORK", help="Who may call (systemd only).")
@_scoped
def render(
    form: str, clients: tuple[str, ...], user: int, cgroup: str | None, config: Path | None
) -> None:
    """Print the list for an operating system or for Kubernetes; nothing is changed."""
    from ipaddress import ip_network

    from situs.app.egress_rules import Scope
    from situs.app.egress_rules import render as render_

    for one in clients:
        try:
            ip_network(one)
        except ValueError:
            raise click.BadParameter(f"{one} is no network", param_hint="--clients") from None
    click.echo(render_(form, _rules(config), Scope(user, cgroup, clients)), nl=False)


@egress.command()
@_scoped
def apply(user: int, cgroup: str | None, config: Path | None) -> None:
    """Make the operating system hold the list: a table of its own in nftables; needs rights.

    What is applied again takes the place of what was. Connections that are open stay.
    """
    from situs.app.egress_rules import TABLE, Scope
    from situs.app.egress_rules import render as render_

    if user == 0 and cgroup is None:
        click.echo("egress: this limits everything that root runs", err=True)
    text = render_("nftables", _rules(config), Scope(user, cgroup))
    _nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n{text}")
    click.echo(f"applied: table inet {TABLE}; `situs egress check` tries it", err=True)


@egress.command()
def remove() -> None:
    """Take the list back; nothing of it stays."""
    from situs.app.egress_rules import TABLE

    _nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n")
    click.echo(f"removed: table inet {TABLE}", err=True)


@egress.command()
@click.option(
    "--to",
    metavar="ADDRESS:PORT",
    default="192.0.2.1:443",
    show_default=True,
    help="Where the last planted connection goes; something that is not on the list.",
)
@click.option("--os", "need_os", is_flag=True, help="Fail where the operating system lets it go.")
@json_option
def check(to: str, need_os: bool, as_json: bool) -> None:
    """Plant connections that nothing permits, and say who stopped them.

    Run it as the user that runs the gateway. Exits with 1 when a worker could connect by itself;
    with --os also when the operating system lets a connection out.
    """
    from situs.app.planted import plant

    found = list(plant(_place(to)))
    if as_json:
        print_json(found)
    else:
        table = table_of("planted", "to be stopped by", "stopped", "because")
        for one in found:
            table.add_row(one.what, one.by, "yes" if one.stopped else "no", one.because)
        show_tables(table)
    needed = found if need_os else found[:-1]
    sys.exit(0 if all(one.stopped for one in needed) else 1)


def _place(to: str) -> tuple[str, int]:
    """Raises BadParameter for what is no address and port."""
    from ipaddress import ip_address

    host, _, port = to.rpartition(":")
    try:
        if port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT:
            return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        pass
    raise click.BadParameter(
        f"an address and a port (1 to {_LAST_PORT}), such as 192.0.2.1:443 or [2001:db8::1]:443",
        param_hint="--to",
    )


@egress.group()
def canary() -> None:
    """Tokens planted in documents that must never leave; what holds one is refused."""


@canary.command()
@click.argument("name")
@data_option
def new(name: str, data: Path | None) -> None:
    """Make a token and print it; the running gateway knows it after `situs reload`."""
    from situs.config.paths import data_dir
    from situs.trust.canaries import new_canary

    click.echo(new_canary(data_dir(data), name))


@canary.command("list")
@data_option
def list_canaries(data: Path | None) -> None:
    """The names of the tokens."""
    from situs.config.paths import data_dir
    from situs.trust.canaries import load_canaries

    for name in load_canaries(data_dir(data)):
        click.echo(name)


@canary.command("remove")
@click.argument("name")
@data_option
def remove_canary_(name: str, data: Path | None) -> None:
    """Forget a token."""
    from situs.config.paths import data_dir
    from situs.trust.canaries import remove_canary

    remove_canary(data_dir(data), name)


def _rules(config: Path | None) -> Rules:
    from situs.app.egress import permits_of
    from situs.app.egress_rules import rules_of

    return rules_of(permits_of(setting_from(config, None), lambda _: None))


def _nft(text: str) -> None:
    """All of it or nothing. Raises OperatorError."""
    program = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if program is None:
        raise OperatorError(
            "there is no nft here", do="Install nftables; `situs egress render` prints other forms."
        )
    done = subprocess.run(  # noqa: S603 - the program that was found
        [program, "-f", "-"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise OperatorError(
            f"nftables refuses: {words}",
            do="It takes root, or CAP_NET_ADMIN; nothing was changed.",
        )
