"""Asking models questions whose answers are known, through the running gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.admin import ask, connection_to, listening, refused
from situs.cli.options import EMBEDDED
from situs.cli.tables import counted
from situs.errors import OperatorError

if TYPE_CHECKING:
    from situs.app.setting import Setting


def askable(setting: Setting) -> Sequence[str]:
    """The owned models that give log-probabilities."""
    from situs.config import build

    config = setting.config
    found = {
        entry.model
        for entry in config.deployments.values()
        if config.loci[entry.locus].owned and build.says_logprobs(entry)
    }
    if not found:
        what = "No owned deployment gives log-probabilities; name one by --model."
        raise click.UsageError(f"{what} {EMBEDDED}" if setting.file is None else what)
    return sorted(found)


def ask_all(
    file: Path, out: Path, models: Sequence[str], setting: Setting, url: str | None
) -> None:
    """Writes a row for every answer; who does not answer is left out, and said."""
    from situs.studies.rows import rows
    from situs.studies.train_confidence import right

    asked = rows(file, ("prompt", "answer"), ("task",))
    if out.exists():
        raise click.UsageError(f"{out} is there already; nothing is written over.")
    if setting.file is None:
        click.echo(EMBEDDED, err=True)
    left = 0
    try:
        with out.open("x", encoding="utf-8") as kept:
            for model in models:
                for one, response in _answers(asked, model, setting, url):
                    if response is None:
                        left += 1
                        continue
                    correct = right(response, one["answer"])
                    row = {"model": model, "prompt": one["prompt"], "task": one["task"]}
                    row |= {"correct": correct, "response": response}
                    kept.write(json.dumps(row) + "\n")
    finally:
        if not out.stat().st_size:
            out.unlink()
    if left:
        click.echo(f"{counted(left, 'question')} left out: no answer", err=True)
    if not out.exists():
        raise OperatorError("No question was answered.", do="See `situs decisions tail`.")


def _answers(
    asked: Sequence[dict[str, Any]], model: str, setting: Setting, url: str | None
) -> Iterator[tuple[dict[str, Any], Any]]:
    from situs.studies.train_confidence import question

    cascade = setting.config.defaults.cascade
    votes = 1 if cascade is None else cascade.votes
    where = listening(setting.data, url)
    for one in asked:
        body = json.dumps(question(one["prompt"], model, votes)).encode()
        status, said = ask(connection_to(where), where, "POST", "/v1/chat/completions", body)
        if status in (401, 403, 404):
            raise refused(where, status, said)
        yield one, _answer(where, said) if status == 200 else None


def _answer(where: str, said: bytes) -> Any:
    """Raises OperatorError for what is no answer of a gateway."""
    try:
        answer = json.loads(said)
        answer["choices"][0]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise refused(where, 200, b"") from None
    return answer
