"""What is believed is worked out again where it may differ, and else not."""

from __future__ import annotations

import logging

import msgspec
import pytest
from tests.unit.cli.test_feedback_command import CONFIG
from tests.unit.stores.writing import indexed

from situs.app.believing import Believing, beliefs_of
from situs.app.link import Believed
from situs.config.load import load
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
    assert found.lengths.kinds == {"chat": (200.0, pytest.approx(1 / 21, abs=1e-4))}
    assert found.lengths.models["small", "chat"] == 1.0
    assert found.digest != beliefs_of(config, data, AT + 8 * 86_400).digest
    sent = msgspec.msgpack.encode(Believed(found))
    assert msgspec.msgpack.decode(sent, type=Believed) == Believed(found)
