"""The artefacts that a configuration names, looked for where data live."""

from __future__ import annotations

from pathlib import Path

from situs.config.load import examine, read_text
from situs.config.problems import Report, as_error
from situs.config.tree import Config
from situs.errors import OperatorError
from situs.learning.versions import open_version


def check_artefacts(config: Config, data: Path, file: Path | None) -> None:
    """Raises ConfigError, with file and line, for versions that are not there or not sound."""
    report = Report("the configuration" if file is None else str(file))
    add_problems(config, data, report)
    if report.problems and file is not None:
        # Only now is it worth knowing where each setting stands.
        report = Report(str(file))
        examine(read_text(file), report)
        add_problems(config, data, report)
    if report.problems:
        raise as_error(report.problems)


def add_problems(config: Config, data: Path, report: Report) -> None:
    """Adds what is wrong with each version to `report`."""
    for head, reference in config.analysis.artefacts.items():
        try:
            open_version(head, reference, data)
        except OperatorError as error:
            report.add(("analysis", "artefacts", head), error.message.removesuffix("."))
