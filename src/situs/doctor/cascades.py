"""Whether the cascades that a configuration asks for can work."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.heads import load_confidences
from situs.app.setting import Setting
from situs.config import build
from situs.config.modes_rules import scopes
from situs.config.tree import Config
from situs.core.aim import Cascade
from situs.core.request import Service
from situs.core.snapshot import Confidences
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.errors import OperatorError
from situs.placement.confidence import calibration_of, least, view_of

_TRAIN = "Run `situs train confidence`, and name its version under analysis.artefacts.confidence."


def cascade(setting: Setting) -> Iterator[Diagnosis]:
    """For each that is configured: of which models answers are judged, how many are kept.

    Raises OperatorError for one that has no effect, because nothing was learned of any model.
    """
    asked = dict(_asked(setting.config))
    if not asked:
        yield Diagnosis("cascade", Standing.OFF, "none is configured")
        return
    known = load_confidences(setting.config.analysis, setting.data)
    for scope, one in asked.items():
        lines = list(_lines(setting.config, known, one))
        if not lines:
            raise OperatorError(
                f"{scope}.cascade has no effect: of no model it is known when to trust it.",
                do=f"{_TRAIN} Or leave the cascade out.",
            )
        yield Diagnosis("cascade", Standing.ACTIVE, f"{scope}: {'; '.join(lines)}")


def _asked(config: Config) -> Iterator[tuple[str, Cascade]]:
    for path, aims in scopes(config):
        if aims.cascade is not None:
            scope = ".".join(path)
            yield scope, build.said(aims, scope)["cascade"]


def _lines(config: Config, known: Confidences, cascade: Cascade) -> Iterator[str]:
    for name, model in sorted(config.models.items()):
        calibration = calibration_of(known, name, "")
        if calibration is None or not {Service.CHAT, Service.COMPLETIONS} & set(model.serves):
            continue
        mine = [one for one in config.deployments.values() if one.model == name]
        if calibration.tokens and not any(build.says_logprobs(one) for one in mine):
            yield f"{name} gives no log-probabilities (endpoint.logprobs), so none is kept"
            continue
        said = []
        for stream in (False, True):
            view = view_of(calibration, cascade, stream)
            level = None if view is None else least(view, cascade.error_rate)
            kept = 0.0
            if view is not None and level is not None:
                kept = view.kept[len(view.levels) - 1 - view.levels[::-1].index(level)]
            said.append(f"{kept:.0%} of {'streams' if stream else 'whole answers'}")
        yield f"{name} keeps {' and '.join(said)} at an error rate of {cascade.error_rate:g}"
