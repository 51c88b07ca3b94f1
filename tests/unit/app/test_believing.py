"""What is believed is worked out again where it may differ, and else not."""

from __future__ import annotations

import logging

import pytest
from tests.unit.cli.test_feedback_command import CONFIG
from tests.unit.stores.writing import indexed

from situs.app.believing import Believing
from situs.config.load import load
from situs.stores.feedback import FILE, Word, say


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
