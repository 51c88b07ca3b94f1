"""What the parent does with old receipts."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.stores.writing import serve, writing

from situs.app.plan import fleet_view, load_plan
from situs.app.setting import Setting
from situs.app.watching import Watching
from situs.config.load import default_config
from situs.config.tree import Receipts
from situs.dispatch.egress import Connector
from situs.stores.layout import receipts_dir
from situs.stores.upkeep import rebuild
from situs.stores.verify import verify
from situs.telemetry.status import Status
from situs.trust.keys import open_signing_key, pinned_keys


def watching(data, keep_days):
    """Zero days cannot be configured; here they make everything old."""
    config = msgspec.structs.replace(default_config(), receipts=Receipts(keep_days=keep_days))
    setting = Setting(config, data, data)
    fleet = fleet_view(load_plan(setting, 0, {}))
    return Watching(setting, open_signing_key(data / "keys"), Status("v", 0.0, fleet), Connector())


def segments(data):
    return sorted(path.suffix for path in receipts_dir(data).glob("*/0*"))


@pytest.fixture
def data(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    return tmp_path


def test_what_is_older_than_configured_goes_and_leaves_its_root(data):
    rebuild(data)
    watching(data, keep_days=0).retire()
    assert segments(data) == [".root"]
    assert verify(receipts_dir(data), pinned_keys(data / "keys")).problems == ()


@pytest.mark.parametrize("keep_days", [None, 1])
def test_what_is_to_be_kept_stays(data, keep_days):
    rebuild(data)
    watching(data, keep_days).retire()
    assert segments(data) == [".jsonl", ".salts"]


def test_what_the_index_has_not_read_stays(data):
    watching(data, keep_days=0).retire()
    assert segments(data) == [".jsonl", ".salts"]
