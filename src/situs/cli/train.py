"""`situs train`: versions of heads that know your own requests."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import config_option, data_option, setting_from, writable
from situs.cli.tables import counted, show_tables, table_of

if TYPE_CHECKING:
    from situs.app.setting import Setting
    from situs.learning.artefacts import Artefact
    from situs.studies.train_routes import Chosen
    from situs.studies.training import Learnt

_FILE = click.Path(dir_okay=False, path_type=Path)
_version = click.option("--version", help="Its name (default: trained-1, trained-2, …).")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def train() -> None:
    """Learn from rows of your own: a new version of a head, beside those there are.

    A fifth of the rows is held back; a table compares the new version with the active one on it.
    Nothing changes until the configuration names the new version.
    """


@train.command()
@click.argument("file", type=_FILE)
@click.option(
    "--out",
    type=_FILE,
    required=True,
    callback=writable,
    help="A new file for the section routes.",
)
@click.option(
    "--samples", "most", type=click.IntRange(1), default=20, show_default=True, help="Of a route."
)
@config_option
@data_option
def routes(file: Path, out: Path, most: int, config: Path | None, data: Path | None) -> None:
    """Routes: samples for situs.yaml, from labelled rows. Rows: text, label (or intent).

    Rows of no route (label null or "oos") are not learned from, but count in the table.
    """
    from situs.app.active import active
    from situs.studies.rows import rows
    from situs.studies.train_routes import as_yaml_text, choose

    if out.exists():
        raise click.UsageError(f"{out} is there already; nothing is written over.")
    labelled = rows(file, ("text", "label|intent"))
    setting = setting_from(config, data)
    found = active(setting, partial(click.echo, err=True), deep=False)
    with _busy():
        chosen = choose(labelled, most, setting.config.routes, found.heads.routes, file)
    with out.open("x", encoding="utf-8") as written:
        written.write(as_yaml_text(chosen.samples, setting.config.routes))
    _table(chosen, "configured", "chosen")
    click.echo(f"""
{counted(len(chosen.samples), "route")} in {out}
They are found from the next start or `situs reload` on, if they stand in your situs.yaml.""")


@train.command()
@click.argument("file", type=_FILE)
@click.option("--map", "mapping", type=_FILE, help="A JSON object from labels to tasks.")
@_version
@config_option
@data_option
@_json
def tasks(
    file: Path,
    mapping: Path | None,
    version: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Tasks, from labelled prompts. Rows: text, label."""
    from situs.studies.rows import rows, table
    from situs.studies.training import learn_tasks

    labelled = rows(file, ("text", "label"))
    labels = None if mapping is None else table(mapping)
    setting = setting_from(config, data)
    base = _base("task", setting)
    with _busy():
        learnt = learn_tasks(labelled, labels, base, file)
    _keep(learnt, base, setting, version, as_json)


@train.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--ledger", is_flag=True, help="From what Situs itself has served, in place of FILE.")
@_version
@config_option
@data_option
@_json
def length(
    file: Path | None,
    ledger: bool,
    version: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Length of answers, from a log. Lines: messages, usage.completion_tokens.

    The records of OpenAI's batch files and of LiteLLM are read too. The ledger has no prompts: from
    it only the level and the bounds of each task are learned.
    """
    from situs.studies.training import learn_length, learn_length_by_task

    if (file is None) != ledger:
        raise click.UsageError("Give FILE or --ledger, one of them.")
    setting = setting_from(config, data)
    base = _base("length", setting)
    if file is None:
        from situs.stores.database import INDEX_FILE
        from situs.stores.ledger import lengths

        index = setting.data / INDEX_FILE
        with _busy():
            learnt = learn_length_by_task(lengths(index), base, index)
    else:
        answers, task_of = _answers(file), _task_of(setting)
        with _busy():
            learnt = learn_length(answers, task_of, base, file)
    _keep(learnt, base, setting, version, as_json)


@train.command()
@click.argument("file", type=_FILE)
@_version
@config_option
@data_option
@_json
def capability(
    file: Path, version: str | None, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Capability, from results. Rows: prompt, model, correct (a boolean or a score from 0 to 1)."""
    from situs.learning.versions import open_version, shipped_heads
    from situs.studies.rows import rows
    from situs.studies.train_capability import learn_capability

    results = rows(file, ("prompt", "model", "correct"))
    setting, head = setting_from(config, data), "capability"
    known = head in {*shipped_heads(), *setting.config.analysis.artefacts}
    active = _base(head, setting) if known else None
    package = open_version(head, None, None) if head in shipped_heads() else None
    classes = {name: model.capability.value for name, model in setting.config.models.items()}
    with _busy():
        learnt = learn_capability(results, classes, package, active, file)
    _keep(learnt, active, setting, version, as_json)


@train.command()
@click.argument("file", type=_FILE)
@click.option(
    "--ask",
    "out",
    type=_FILE,
    callback=writable,
    help="Ask the questions in FILE; keep the rows here.",
)
@click.option("--model", "models", multiple=True, help="Ask this one only; may be repeated.")
@click.option("--url", help="The gateway to ask (default: the one on the data directory).")
@_version
@config_option
@data_option
@_json
def confidence(
    file: Path,
    out: Path | None,
    models: tuple[str, ...],
    url: str | None,
    version: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Which answers a cascade may keep, from answers known to be right or wrong.

    Rows: model, response (an answer as it came, with log-probabilities), correct; where they are
    known prompt, task, document (the request). With --ask, FILE holds questions with their right
    answers (prompt, answer): they are put to every owned model that gives log-probabilities.
    """
    from situs.cli.train_ask import ask_all, askable
    from situs.studies.rows import rows
    from situs.studies.train_confidence import learn_confidence

    setting, head = setting_from(config, data), "confidence"
    if out is not None:
        with _busy():
            ask_all(file, out, models or askable(setting), setting, url)
    elif models or url:
        raise click.UsageError("--model and --url go with --ask.")
    results = rows(out or file, ("model", "response", "correct"), ("prompt", "task", "document"))
    active = _base(head, setting) if head in setting.config.analysis.artefacts else None
    task_of = _task_of(setting)
    with _busy():
        learnt = learn_confidence(results, setting.config.models, task_of, active, out or file)
    _keep(learnt, active, setting, version, as_json)


def _answers(file: Path) -> list[Any]:
    from situs.learning.examples import answered
    from situs.studies.rows import lines

    read = [answered(row) for row in lines(file)]
    found = [one for one in read if one is not None]
    if len(found) < len(read):
        left = counted(len(read) - len(found), "line")
        click.echo(f"{left} left out: no prompt, no count of tokens, or cut off", err=True)
    return found


def _task_of(setting: Setting) -> Any:
    """What the active task head takes a prompt for."""
    from situs.analysis.features import see
    from situs.analysis.task_head import task_head

    active = _base("task", setting)
    head = task_head(active.arrays, active.card.settings)
    return lambda text: head(see(text)).name


def _base(head: str, setting: Setting) -> Artefact:
    """The version that is active, from which the new one begins."""
    from situs.config.artefacts import check_artefacts
    from situs.learning.versions import open_version

    check_artefacts(setting.config, setting.data, setting.file)
    return open_version(head, setting.config.analysis.artefacts.get(head), setting.data)


def _busy() -> Any:
    from rich.console import Console

    return Console(stderr=True).status("learning …")


def _keep(
    learnt: Learnt, base: Artefact | None, setting: Setting, version: str | None, as_json: bool
) -> None:
    from situs.studies.training import keep

    before = None if base is None else base.card.version
    command = shlex.join(["situs", *sys.argv[1:]])
    made = keep(learnt, base, setting.data, version, command)
    if as_json:
        import msgspec

        said = {
            "head": made.card.head,
            "version": made.card.version,
            "digest": made.digest,
            "base": before,
            "learnt": learnt.learnt,
            "held_back": learnt.held,
            "figures": learnt.figures,
        }
        click.echo(msgspec.json.encode(said))
        return
    _table(learnt, before or "before", made.card.version)
    click.echo(f"""
{made.card.head} {made.card.version} lies in {made.folder}
It answers from the next start or `situs reload` on, if your situs.yaml says

analysis:
  artefacts:
    {made.card.head}: {made.card.version}@{made.digest[:12]}

{_back(setting, made.card.head)}""")


def _table(learnt: Learnt | Chosen, before: str, after: str) -> None:
    """Before and after on the rows held back; intervals are 95 %, differences paired."""
    table = table_of("held back", before, "95 %", after, "95 %", "difference, 95 %")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in learnt.figures:
        table.add_row(
            one.name,
            _said(one.before),
            _interval(one.before_interval),
            _said(one.after),
            _interval(one.after_interval),
            _interval(one.difference),
        )
    show_tables(table)
    click.echo(f"\nlearned from {counted(learnt.learnt, 'row')}, {learnt.held} held back")


def _back(setting: Setting, head: str) -> str:
    line = setting.config.analysis.artefacts.get(head)
    if line is None:
        return "To go back, remove the line."
    return f"To go back, write {head}: {line} again."


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "-" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
