"""`situs feedback`: what answers were worth, and what is believed of models for it."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from situs.cli.options import (
    EMBEDDED,
    config_option,
    data_option,
    operator_name,
    setting_from,
)
from situs.cli.tables import json_option, print_json, show_tables, table_of


@click.group()
def feedback() -> None:
    """What answers were worth, and what is believed of models for it."""


@feedback.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most.")
@data_option
@json_option
def list_(limit: int, data: Path | None, as_json: bool) -> None:
    """List what was said of answers, the newest first; never their content."""
    from situs.config.paths import data_dir
    from situs.stores.feedback import words

    found = words(data_dir(data), limit)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("Nothing was said of answers.")
        return
    table = table_of("id", "at", "by", "model", "kind", "needs", "score", "source")
    for one in found:
        at = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        row = (one.id, at, one.by, one.model, one.kind, one.needs, f"{one.score:g}")
        table.add_row(*row, one.source or "-")
    show_tables(table)


@feedback.command()
@click.argument("id")
@click.argument("score", type=click.FloatRange(0, 1))
@click.option("--source", metavar="WORD", help="What judged, such as `tests` or `review`.")
@click.option(
    "--by",
    callback=operator_name,
    metavar="NAME",
    help="Whose word it is (default: the user that you are here).",
)
@data_option
def send(id: str, score: float, source: str | None, by: str, data: Path | None) -> None:  # noqa: A002 - the name in the help
    """Say what the answer to the request ID was worth: SCORE from 0 (useless) to 1 (good).

    ID is a request's id, or `chain:sequence` of its receipt. Such a word is trusted.
    """
    import msgspec

    from situs.config.paths import data_dir
    from situs.stores.feedback import Source, Word, say

    try:
        msgspec.convert(source, Source | None)
    except msgspec.ValidationError:
        raise click.BadParameter("--source is a word of at most 20 letters and dashes") from None
    word = Word(id, score, by, trusted=True, source=source)
    kept = say(data_dir(data), word, time.time())
    click.echo(f"{kept.id}: {kept.score:g} for {kept.model} ({kept.kind}, {kept.needs})")


@feedback.command()
@config_option
@data_option
@json_option
def beliefs(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show how often answers of each model are expected to be acceptable, and how sure that is.

    The interval holds the true share 19 times out of 20. The last columns say of how many ratings
    that was learned: what people said of answers, what `situs bench --keep` found, what cascades
    saw in answers, and what copies had in common with what was served. Models without any are not
    listed: of these, the capability class speaks.
    """
    from situs.app.believing import beliefs_of, ratings_of
    from situs.core.rating import Origin
    from situs.core.snapshot import ANY_KIND
    from situs.learning.beliefs import counts
    from situs.placement.quality import interval

    setting, now = setting_from(config, data), time.time()
    if setting.file is None:
        click.echo(EMBEDDED, err=True)
    found = beliefs_of(setting.config, setting.data, now)
    counted = counts(ratings_of(setting.config, setting.data, now))
    rows: list[dict[str, Any]] = []
    for (model, kind, needs), belief in sorted(found.table.items()):
        low, high = interval(belief)
        of = counted.get((model, kind, needs), Counter[Origin]())
        names = {"model": model, "kind": "any" if kind == ANY_KIND else kind, "needs": needs}
        sure = {"mean": belief.mean, "low": round(low, 4), "high": round(high, 4)}
        origins = {one.value: of.get(one, 0) for one in Origin}
        rows.append({**names, **sure, "weight": belief.weight, "ratings": origins})
    if as_json:
        print_json({"usual_tokens": found.usual, "beliefs": rows})
        return
    if not rows:
        click.echo("Nothing was said of answers of these models; their capability class speaks.")
        return
    _show_beliefs(rows)


def _show_beliefs(rows: list[dict[str, Any]]) -> None:
    heads = ("acceptable", "between", "worth ratings", "people", "bench", "cascades", "copies")
    table = table_of("model", "kind", "needs", *heads)
    for row in rows:
        between = f"{row['low']:.2f} and {row['high']:.2f}"
        name = (row["model"], row["kind"], row["needs"])
        of = (str(count or "-") for count in row["ratings"].values())
        table.add_row(*name, f"{row['mean']:.2f}", between, f"{row['weight']:.0f}", *of)
    show_tables(table)
