"""What the parent does with old receipts, and with the newest."""

from __future__ import annotations

import msgspec
import pytest
from tests.fakes.tsa_server import available, tsa_server
from tests.unit.stores.writing import serve, writing

from situs.app.egress import permits_of
from situs.app.plan import fleet_view
from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.app.watching import Watching
from situs.config.load import default_config
from situs.config.receipts import Anchor, Receipts
from situs.dispatch.egress import Connector
from situs.stores.layout import receipts_dir
from situs.stores.upkeep import rebuild
from situs.stores.verify import verify
from situs.telemetry.status import Status
from situs.trust.keys import open_signing_key, pinned_keys


def watching(data, keep_days=None, *, permitted=True, **settings):
    """Zero days cannot be configured; here they make everything old."""
    receipts = Receipts(keep_days=keep_days, **settings)
    config = msgspec.structs.replace(default_config(), receipts=receipts)
    setting = Setting(config, data, data)
    fleet = fleet_view(load_plan(setting, 0, {}))
    connector = Connector()
    if permitted:
        connector.permit(permits_of(setting, lambda deployment: None))
    return Watching(setting, open_signing_key(data / "keys"), Status("v", 0.0, fleet), connector)


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


def test_the_newest_checkpoints_are_anchored(data):
    keeper = watching(data, anchor=Anchor(to="anchors.jsonl"))
    assert keeper.anchor_age_s > 1e9, "never, since the start"
    keeper.anchor()
    assert 0 <= keeper.anchor_age_s < 60
    assert keeper.problems() == ()
    [line] = (data / "anchors.jsonl").read_bytes().splitlines()
    assert len(msgspec.json.decode(line)["heads"]) == 1


def test_a_place_that_cannot_be_reached_is_warned_of_once_and_stops_nothing(data, caplog):
    keeper = watching(data, anchor=Anchor(to="later/anchors.jsonl"))
    keeper.anchor()
    keeper.anchor()
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "checkpoints are not anchored"
    ]
    [problem] = keeper.problems()
    assert problem.startswith("anchor: ")
    assert keeper.anchor_age_s > 1e9
    (data / "later").mkdir()
    keeper.anchor()
    assert caplog.records[-1].message == "checkpoints are anchored again"
    assert keeper.problems() == ()
    assert keeper.anchor_age_s < 60


@pytest.mark.skipif(not available(), reason="no openssl or rfc3161-client here")
def test_a_time_stamping_service_is_reached_through_the_connector(data, tmp_path_factory):
    with tsa_server(tmp_path_factory.mktemp("stamps") / "tsa") as authority:
        keeper = watching(data, anchor=Anchor(to=f"rfc3161:{authority.url}"))
        keeper.anchor()
        assert keeper.problems() == ()
        assert len(authority.asked) == 1
        nowhere = watching(data, permitted=False, anchor=Anchor(to=f"rfc3161:{authority.url}"))
        with writing(data) as writer:
            serve(writer, 2)
        nowhere.anchor()
        [problem] = nowhere.problems()
        assert problem.startswith("anchor: The time-stamping service at 127.0.0.1")
        assert len(authority.asked) == 1


def test_stores_that_cannot_be_read_are_told_until_they_can(data):
    keeper = watching(data)
    keeper.look_at_stores()
    assert keeper.problems() == ()
    for name in ("approvals", "sessions"):
        (data / f"{name}.db").write_bytes(b"nothing of the kind" * 100)
    keeper.look_at_stores()
    assert [problem.split(":")[0] for problem in keeper.problems()] == ["approvals", "sessions"]
    for name in ("approvals", "sessions"):
        (data / f"{name}.db").unlink()
    keeper.look_at_stores()
    assert keeper.problems() == ()


def test_without_a_place_nothing_is_anchored(data):
    keeper = watching(data)
    keeper.anchor()
    assert keeper.anchor_age_s is None
