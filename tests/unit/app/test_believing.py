"""What is believed is worked out again where it may differ, and else not."""

from __future__ import annotations

import logging

import msgspec
import pytest
import yaml
from msgspec.structs import replace
from tests.unit.cli.test_feedback_command import CONFIG
from tests.unit.stores.test_comparisons import ROW
from tests.unit.stores.test_judged import ended, written
from tests.unit.stores.writing import indexed

from situs.app.believing import Believing, beliefs_of, ratings_of
from situs.app.link import Believed
from situs.config.load import load
from situs.core.rating import Origin
from situs.core.record import End
from situs.stores.comparisons import add
from situs.stores.feedback import FILE, Word, say

AT = 1.75e9
"""About when the request of the record ended."""


@pytest.fixture
def data(tmp_path):
    return indexed(tmp_path / "data", 1)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "situs.yaml").write_text(CONFIG)
    return load(tmp_path / "situs.yaml")


def test_once_and_then_after_each_word(data, config):
    believing = Believing(data)
    first = believing.look(config)
    assert first is not None
    assert first.table == {}
    assert believing.look(config) is None
    say(data, Word("req-000000001", 0.0, "key"), 1e9)
    second = believing.look(config)
    assert second is not None
    assert ("small", "chat", "small") in second.table
    assert believing.look(config) is None


def test_a_store_that_cannot_be_read_changes_nothing_and_is_told_once(data, config, caplog):
    believing = Believing(data)
    (data / FILE).write_bytes(b"no database at all, but long enough" * 50)
    with caplog.at_level(logging.WARNING):
        assert believing.look(config) is None
        assert believing.look(config) is None
    assert [FILE in one.message for one in caplog.records] == [True]


def test_how_long_answers_were_is_part_of_it_and_reaches_the_workers(data, config):
    found = beliefs_of(config, data, AT)
    tokens, weight = found.lengths.kinds["chat"]
    assert tokens == 200.0
    assert weight == pytest.approx(1 / 21, abs=1e-4)
    assert found.lengths.models["small", "chat"] == 1.0
    assert found.digest != beliefs_of(config, data, AT + 8 * 86_400).digest
    sent = msgspec.msgpack.encode(Believed(found))
    assert msgspec.msgpack.decode(sent, type=Believed) == Believed(found)


# What machines say.

LARGE = replace(ROW, needs="small", route=None, tokens=3, model="large", copied_model="small")


@pytest.fixture
def both(tmp_path):
    """A configuration with two models."""
    config = yaml.safe_load(CONFIG)
    config["models"]["large"] = {"capability": "frontier", "context_tokens": 8192}
    config["deployments"]["two"] = {**config["deployments"]["one"], "model": "large"}
    (tmp_path / "situs.yaml").write_text(yaml.safe_dump(config))
    return load(tmp_path / "situs.yaml")


def origins(config, data):
    return [(one.model, one.origin) for one in ratings_of(config, data, AT)]


def test_answers_that_cascades_judged_count_until_somebody_rates_them(tmp_path, both):
    unsure = ended(1, ("small", 0.2, End.UNSURE), ("large", None, End.COMPLETE))
    data = written(tmp_path / "data", unsure, ended(2, ("small", 0.3, End.COMPLETE)))
    assert origins(both, data) == [("small", Origin.CASCADE)] * 2
    assert beliefs_of(both, data, AT).table["small", "chat", "small"].mean < 0.9
    say(data, Word("req-000000001", 1.0, "key"), AT)
    say(data, Word("req-000000002", 1.0, "key"), AT)
    assert sorted(origins(both, data)) == [
        ("large", Origin.PERSON), ("small", Origin.CASCADE), ("small", Origin.PERSON)
    ]  # fmt: skip


def test_copies_of_short_answers_count_until_somebody_rates_either(data, both):
    for served in ("req-000000001", "req-000000009"):
        add(data, replace(LARGE, id=f"copy of {served}", of=served, at=AT))
    add(data, replace(LARGE, id="long", tokens=400, at=AT))
    assert origins(both, data) == [("small", Origin.SHADOW)] * 2
    assert ("small", "chat", "small") in beliefs_of(both, data, AT).table
    say(data, Word("req-000000001", 1.0, "key"), AT)
    assert sorted(origins(both, data)) == [("small", Origin.PERSON), ("small", Origin.SHADOW)]


def test_copies_are_not_measured_by_what_copies_made_one_believe(data, both):
    """However many copies say that the one is bad, what it serves is the measure as before."""
    add(data, replace(LARGE, at=AT))
    [one] = ratings_of(both, data, AT)
    for n in range(50):
        back = {"model": "small", "copied_model": "large", "similarity": 0.0, "at": AT}
        add(data, replace(LARGE, id=f"back {n}", of="req_8", **back))
    assert one in ratings_of(both, data, AT)
