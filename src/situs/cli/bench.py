"""`situs bench`: how good, how fast and how dear the places of the fleet are, asked for real."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import config_option, data_option, setting_from
from situs.cli.tables import counted, json_option, print_json, show_tables, table_of

if TYPE_CHECKING:
    from situs.config.tree import Config
    from situs.studies.bench import Asked, Bench, Question, Share

_INDEXED_S = 10.0
"""The index has a request some moments after its answer."""
_STOPPED = 130
"""As a shell says of what Ctrl-C ended."""


@click.command()
@click.argument("deployments", nargs=-1, metavar="[DEPLOYMENT]...")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Questions of your own, a JSON object a line: `prompt`, `answer`, perhaps `task`.",
)
@click.option("--sample", type=click.IntRange(min=1), help="Ask only the first so many.")
@click.option("--keep", is_flag=True, help="Let what was right count in placement, as feedback.")
@click.option("--url", help="The gateway to ask (default: the one on the data directory).")
@config_option
@data_option
@json_option
def bench(
    deployments: tuple[str, ...],
    config: Path | None,
    data: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Ask every place the same questions, and see how often it is right, how fast, how dear.

    The running gateway is asked, one question at a time, for each DEPLOYMENT by name (default: all
    that answer chats): they go wherever that is, as policy allows, and are paid for as any other.
    There are 73 bundled questions with one short right answer each. Ctrl-C ends it with what was
    asked so far. Exits with 1 where no question was answered.
    """
    from rich.console import Console
    from rich.progress import Progress

    from situs.cli.admin import answering, connection_to, key_sent
    from situs.studies.bench import ask_all, questions, report

    setting = setting_from(config, data)
    names = _chosen(setting.config, deployments)
    asked = questions(how["file"], how["sample"])
    where, key = answering(setting.data, how["url"]), key_sent()
    total = len(asked) * len(names)
    click.echo(f"{counted(total, 'request')} to {counted(len(names), 'deployment')}", err=True)
    said: list[Asked] = []
    stopped = False
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("asking", total=total)
        try:
            for one in ask_all(lambda: connection_to(where), key, names, asked):
                said.append(one)
                progress.advance(task)
        except KeyboardInterrupt:
            stopped = True
    found = report(names, said)
    kept = _keep(setting.data, asked, said) if how["keep"] else None
    if as_json:
        print_json({"deployments": found, "kept": kept, "asked": said})
    else:
        _show(found, kept)
    if stopped:
        sys.exit(_STOPPED)
    sys.exit(0 if any(one.right is not None for one in said) else 1)


def _chosen(config: Config, named: Sequence[str]) -> list[str]:
    """The deployments named, or all that answer chats. Raises BadParameter."""
    from situs.core.request import Service

    served = {name: config.models[entry.model].serves for name, entry in config.deployments.items()}
    able = [name for name, services in served.items() if Service.CHAT in services]
    for name in named:
        if name not in able:
            known = ", ".join(able) or "none"
            raise click.BadParameter(f"no deployment {name} answers chats; these do: {known}")
    if not able:
        raise click.UsageError("No deployment of this configuration answers chats.")
    return list(dict.fromkeys(named)) or able


def _keep(data: Path, asked: Sequence[Question], said: Sequence[Asked]) -> int:
    """Rates the answers; those that the index does not know in time are left out.

    A question says one thing of a model, however often it is asked.
    """
    from situs.errors import InvalidRequest
    from situs.stores.feedback import Word, say
    from situs.studies.bench import digest

    kept, until = set[tuple[str, str]](), time.monotonic() + _INDEXED_S
    for one in said:
        while one.right is not None:
            by = f"bench:{digest(asked[one.question])}"
            word = Word(one.id, float(one.right), by, trusted=True, source="bench", alone=True)
            try:
                kept.add((by, say(data, word, time.time()).model))
            except InvalidRequest:
                if time.monotonic() < until:
                    time.sleep(0.2)
                    continue
            break
    return len(kept)


def _show(found: Sequence[Bench], kept: int | None) -> None:
    whole = table_of("deployment", "right", "between", "TTFT", "whole", "tokens/s", "per million")
    for one in found:
        whole.add_row(
            one.deployment,
            f"{one.all.right} of {one.all.asked}",
            f"{one.all.low:.0%} and {one.all.high:.0%}" if one.all.asked else "-",
            _seconds(one.ttft_s),
            _seconds(one.e2e_s),
            "-" if one.tokens_s is None else f"{one.tokens_s:.0f}",
            "-" if one.per_million is None else f"{one.per_million:.3g} {one.currency}",
        )
    tasks = list(dict.fromkeys(task for one in found for task in one.tasks))
    by_task = table_of("right by task", *[one.deployment for one in found])
    for task in tasks:
        by_task.add_row(task, *[_right(one.tasks[task]) for one in found])
    show_tables(whole, by_task, between="\n")
    for one in found:
        for code, count in one.failed.items():
            click.echo(f"{one.deployment}: {counted(count, 'question')} without an answer ({code})")
    if kept is not None:
        click.echo(f"kept {counted(kept, 'rating')}; `situs feedback beliefs` shows what follows")


def _right(share: Share) -> str:
    return f"{share.right} of {share.asked}" if share.asked else "-"


def _seconds(value: Any) -> str:
    return "-" if value is None else f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
