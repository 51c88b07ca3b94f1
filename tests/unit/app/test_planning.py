"""A plan holds together: cells of the board, artefacts that are there."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.config.analysis import Analysis
from situs.config.load import default_config
from situs.errors import ConfigError
from situs.fleet.board import MOST_DEPLOYMENTS


def slots(data, known):
    return load_plan(Setting(default_config(), data, data), 1, known).slots


def test_a_deployment_keeps_its_cell_and_a_new_one_gets_one_of_its_own(tmp_path):
    found = slots(tmp_path, {"former": 0, "local-smollm2": 1})
    assert found == {"former": 0, "local-smollm2": 1, "local-minilm": 2}


def test_more_names_than_cells_are_refused_before_a_request_meets_them(tmp_path):
    full = {f"former-{place}": place for place in range(MOST_DEPLOYMENTS - 1)}
    with pytest.raises(ConfigError, match="in flight"):
        slots(tmp_path, full)
    assert len(slots(tmp_path, dict(list(full.items())[:-1]))) == MOST_DEPLOYMENTS


def test_a_version_of_an_artefact_that_is_not_there_makes_no_plan(tmp_path):
    config = replace(default_config(), analysis=Analysis(artefacts={"task": "trained-9"}))
    with pytest.raises(ConfigError, match=r"analysis\.artefacts\.task: There is no version"):
        load_plan(Setting(config, tmp_path, tmp_path), 1, {})
