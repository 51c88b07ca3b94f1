"""What `situs doctor` says of the gateway that runs on the data directory."""

import os

import pytest

from situs.app.setting import Setting
from situs.config.load import default_config
from situs.doctor import Condition, examine
from situs.stores.lock import DataLock


def gateway(data, url=None):
    found = {one.feature: one for one in examine(Setting(default_config(), data, data), url)}
    return found["gateway"].condition, found["gateway"].because


def test_none_is_said_to_run_where_none_holds_the_directory(tmp_path):
    assert gateway(tmp_path) == (Condition.OFF, f"none is running on {tmp_path}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:7488", "listens on http://127.0.0.1:7488"),
        (
            "http://[::1]:9000",
            "listens on http://[::1]:9000; this configuration says port 7488",
        ),
        (None, "holds the data directory, and does not say where it listens"),
    ],
)
def test_one_that_runs_is_named_with_where_it_listens(tmp_path, url, said):
    with DataLock(tmp_path):
        found = gateway(tmp_path, url)
    assert found == (Condition.ACTIVE, f"process {os.getpid()} {said}")
