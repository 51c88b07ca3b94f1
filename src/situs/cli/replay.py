"""`situs policy replay` and `diff`: another policy on the requests of the past."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import config_option, data_option, setting_from, several, writable
from situs.cli.tables import print_json, show_tables, table_of
from situs.cli.when import when

if TYPE_CHECKING:
    from situs.app.setting import Setting
    from situs.rego.engine import Checked
    from situs.studies.replay_report import Report
    from situs.studies.replay_tally import Terms

_POLICY = click.Path(exists=True, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_GATES = click.Choice(["denied", "left", "moved", "never"])
_WAYS = 10


_replaying = several(
    click.option(
        "--since",
        metavar="TIME",
        help="Only decisions from then on: 7d, 12h, or a date or time (UTC).",
    ),
    click.option(
        "--sample",
        type=click.IntRange(min=1),
        help="About so many decisions, evenly drawn, and always the same.",
    ),
    click.option(
        "--fail-on",
        type=_GATES,
        multiple=True,
        default=("never",),
        show_default=True,
        help="Exit with 1 where a request is newly denied, may go farther than it could "
        "(left), or goes elsewhere first (moved), or where that cannot be known; repeatable.",
    ),
    config_option,
    data_option,
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    click.option("--html", type=_FILE, callback=writable, help="Write a page, too."),
)
"""The options of both."""


@click.command("replay")
@click.option(
    "--policy",
    "paths",
    type=_POLICY,
    multiple=True,
    help="A file, a directory or a bundle; repeatable (default: the configured policy, which must "
    "say what it said).",
)
@_replaying
def replay_command(paths: tuple[Path, ...], **options: Any) -> None:
    """Decide recorded requests again under another policy, and show what changes.

    What was decided is compared with what would be: with the deployments, loads and analyses of
    then, and the data sets and home of the configuration. Nothing is sent.
    """
    setting = setting_from(options["config"], options["data"])
    _replay(setting, None, _configured(setting) if not paths else _load(setting, paths), options)


@click.command("diff")
@click.argument("old", type=_POLICY)
@click.argument("new", type=_POLICY)
@_replaying
def diff_command(old: Path, new: Path, **options: Any) -> None:
    """Decide recorded requests under two policies, and show what differs.

    As `situs policy replay`, but compared with OLD instead of what was decided.
    """
    setting = setting_from(options["config"], options["data"])
    _replay(setting, _load(setting, (old,)), _load(setting, (new,)), options)


def _replay(setting: Setting, old: Checked | None, new: Checked, options: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from situs.studies.replay import replay
    from situs.studies.replay_html import page
    from situs.studies.replay_report import FailOn, report

    terms = _terms(setting, old, new, options["since"])
    quiet = not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("decisions", total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        found, terms = replay(setting.data, terms, options["sample"], told)
    said = report(found, terms, [FailOn(one) for one in options["fail_on"]])
    for doubt in said.doubts:
        click.echo(f"warning: {doubt}", err=True)
    if options["html"] is not None:
        options["html"].write_text(page(said), "utf-8")
    if options["as_json"]:
        print_json(said)
    else:
        _show(said)
    sys.exit(1 if said.failed else 0)


def _terms(setting: Setting, old: Checked | None, new: Checked, since: str | None) -> Terms:
    from situs.analysis import DEFAULT_FLOORS
    from situs.config import build
    from situs.core.heads import NO_HEADS
    from situs.core.label import Label
    from situs.studies.replay_tally import Terms

    floors = build.labels_of(setting.config, DEFAULT_FLOORS).floors
    return Terms(
        new=new,
        old=old,
        home=setting.config.home or "",
        data=build.data_of(setting.config),
        names={kind: floors.get(kind, Label.RESTRICTED) for kind in NO_HEADS.name_kinds},
        since=None if since is None else when(since),
    )


def _load(setting: Setting, paths: tuple[Path, ...]) -> Checked:
    """A bundle that is signed must be so by the key of the configuration."""
    from situs.config.build import own_kinds
    from situs.config.policy_source import bundle_key
    from situs.rego.bundle import read_source
    from situs.rego.embedded import check_source

    bundle = setting.config.policy.bundle
    key = None if bundle is None else bundle_key(bundle, setting.base)
    return check_source(read_source(paths, key), own_kinds(setting.config))


def _configured(setting: Setting) -> Checked:
    from situs.config.policy_source import policy_checked
    from situs.errors import PolicyError

    checked = policy_checked(setting.config, setting.base, setting.data)
    if checked.elsewhere:
        raise PolicyError(
            "the policy is an OPA server's, which is not asked about the past",
            do="Name its files, or a bundle of it, with --policy.",
        )
    return checked


def _show(said: Report) -> None:
    from situs.studies.replay_report import KINDS
    from situs.studies.replay_words import figures, looked_at, reproduced, title

    click.echo(f"{title(said)}\n")
    changes = table_of("", "requests", "of all")
    for kind, words in KINDS.items():
        count = said.changes[kind].decisions
        changes.add_row(words, f"{count:,}", f"{count / said.replayed:.2%}")
    ways = table_of("what", "", "requests", "such as")
    for kind, words in KINDS.items():
        for one in said.changes[kind].ways[:_WAYS]:
            ways.add_row(words, one.what, f"{one.decisions:,}", one.examples[0])
    places = table_of("go first to", "", "before", "after")
    for axis, names in said.places.items():
        for place in names:
            places.add_row(axis, place.name, f"{place.before:,}", f"{place.after:,}")
    expected = table_of("expected", "before", "after", "change")
    for row in figures(said):
        expected.add_row(*row)
    facts = table_of("as recorded", "")
    for name, value in reproduced(said):
        facts.add_row(name, value)
    changed = [ways] if any(one.ways for one in said.changes.values()) else []
    show_tables(changes, *changed, places, expected, facts, between="\n")
    for remark in said.remarks:
        click.echo(f"note: {remark}")
    for reason in said.failed:
        click.echo(f"failed: {reason}")
    click.echo(f"\n{looked_at(said)}: {'failed' if said.failed else 'passed'}")
