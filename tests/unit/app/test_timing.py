"""What the parent knows of times outlives a restart, while the deployment is the same."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest
from msgspec.structs import replace

from situs.app.plan import fleet_view
from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.app.timing import Timing, kept_view
from situs.config.load import parse
from situs.core.fleet import DeploymentState
from situs.core.record import Measured, Usage
from situs.fleet.board import Board
from situs.fleet.times import number_of
from situs.placement.latency import predict
from situs.stores.times import FILE, read_times, write_times

DAY_S = 86_400.0
CONFIG = """
version: 1
home: AU
loci:
  desk: {{kind: device, jurisdiction: AU, owned: true}}
models:
  small: {{capability: small, context_tokens: 8192}}
  other: {{capability: small, context_tokens: 8192}}
deployments:
  fast: {{model: small, locus: desk, endpoint: {{url: "http://127.0.0.1:1/v1"}}, price: {price}}}
  near: {{model: {model}, locus: desk, endpoint: {{url: "http://127.0.0.1:{port}/{path}", {more}}},
    price: {price}}}
  far: {{model: other, locus: desk, endpoint: {{url: "http://127.0.0.1:9/v1"}}, price: {price}}}
"""
USUAL = {
    "model": "small",
    "port": "2",
    "path": "v1",
    "more": "",
    "price": "{currency: AUD, prompt: 1, completion: 1}",
}


@pytest.fixture
def board():
    fd = Board.make(2)
    yield fd
    os.close(fd)


def planned(data, **changes):
    config = parse(CONFIG.format(**USUAL | changes), "situs.yaml")
    return load_plan(Setting(config, data, data, None), 0, {})


def began(data, board, plan):
    timing = Timing(data, Board(board, None).times)
    return timing, timing.of(plan)


def answered(board, plan, count=40, seconds=4.0, name="near"):
    """A worker's answers, in its ring."""
    place = {one.name: one for one in fleet_view(plan).deployments}[name]
    ring = Board(board, 0).times
    for at in range(count):
        usage = Usage(200 + at, 20)
        ring.tell(number_of(place), Measured(seconds, seconds + 1, 1.0, 0, usage), 0)


def ttft_s(plan, learned, name="near"):
    place = {one.name: one for one in fleet_view(plan).deployments}[name]
    return predict(place, DeploymentState(pace=learned[name].pace), 220)[0]


def learned_once(data, board, plan):
    timing, nothing = began(data, board, plan)
    assert nothing == {}
    answered(board, plan)
    asyncio.run(timing.keep())


def test_who_begins_later_knows_what_all_measured(tmp_path, board):
    plan = planned(tmp_path)
    timing, _ = began(tmp_path, board, plan)
    answered(board, plan)
    known = timing.of(plan)
    assert list(known) == ["near"]
    assert ttft_s(plan, known) == pytest.approx(4.0, rel=0.1)


def test_a_restart_forgets_nothing(tmp_path, board):
    plan = planned(tmp_path)
    learned_once(tmp_path, board, plan)
    _, known = began(tmp_path, board, planned(tmp_path))
    assert list(known) == ["near"]
    assert ttft_s(plan, known) == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"port": "3"}, {"path": "v2"}, {"more": "model: larger"}]
)
def test_another_node_model_or_server_begins_anew(tmp_path, board, change):
    plan = planned(tmp_path)
    learned_once(tmp_path, board, plan)
    _, known = began(tmp_path, board, planned(tmp_path, **change))
    assert known == {}


def test_another_price_changes_nothing(tmp_path, board):
    learned_once(tmp_path, board, planned(tmp_path))
    dear = planned(tmp_path, price="{currency: AUD, prompt: 9, completion: 9}")
    assert list(began(tmp_path, board, dear)[1]) == ["near"]


def test_a_reload_keeps_what_is_the_same(tmp_path, board):
    plan = planned(tmp_path)
    timing, _ = began(tmp_path, board, plan)
    answered(board, plan)
    answered(board, plan, name="fast")
    assert set(timing.of(plan)) == {"near", "fast"}
    assert set(timing.of(planned(tmp_path, port="3"))) == {"fast"}
    asyncio.run(timing.keep())
    assert set(read_times(tmp_path)) == {"fast"}


def aged(data, days):
    kept = read_times(data)
    write_times(data, {name: replace(one, at=one.at - days * DAY_S) for name, one in kept.items()})


def test_old_times_give_way_sooner(tmp_path, board):
    plan, moves = planned(tmp_path), []
    learned_once(tmp_path, board, plan)
    for days in (0, 3, 4):
        aged(tmp_path, days)
        timing, known = began(tmp_path, board, plan)
        assert ttft_s(plan, known) == pytest.approx(4.0, rel=0.1)
        answered(board, plan, 1, 40.0)
        moves.append(ttft_s(plan, timing.of(plan)))
    assert moves == sorted(moves)
    assert moves[2] > 1.5 * moves[0]


def test_a_start_does_not_make_them_older(tmp_path, board):
    plan = planned(tmp_path)
    learned_once(tmp_path, board, plan)
    aged(tmp_path, 3)
    kept = read_times(tmp_path)["near"]
    for _ in range(3):
        timing, _ = began(tmp_path, board, plan)
        answered(board, plan, 1, name="fast")
        asyncio.run(timing.keep())
    assert read_times(tmp_path)["near"] == kept


def test_what_is_damaged_is_said_and_begun_anew(tmp_path, board, caplog):
    plan = planned(tmp_path)
    learned_once(tmp_path, board, plan)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(b'"late":', b'"date":'))
    with caplog.at_level(logging.WARNING):
        timing, known = began(tmp_path, board, plan)
    assert known == {}
    assert [record.message.startswith("times are learned anew:") for record in caplog.records] == [
        True
    ]
    answered(board, plan)
    asyncio.run(timing.keep())
    assert set(read_times(tmp_path)) == {"near"}


def test_nothing_is_written_where_nothing_was_learned(tmp_path, board):
    plan = planned(tmp_path)
    timing, _ = began(tmp_path, board, plan)
    asyncio.run(timing.keep())
    assert not (tmp_path / FILE).exists()
    answered(board, plan)
    asyncio.run(timing.keep())
    (tmp_path / FILE).unlink()
    asyncio.run(timing.keep())
    assert not (tmp_path / FILE).exists()


def test_what_cannot_be_written_is_said_once_and_tried_again(tmp_path, board, caplog):
    plan = planned(tmp_path)
    timing, _ = began(tmp_path, board, plan)
    answered(board, plan)
    hindrance = tmp_path / f".{FILE}"
    hindrance.mkdir()
    with caplog.at_level(logging.WARNING):
        asyncio.run(timing.keep())
        asyncio.run(timing.keep())
    assert len(caplog.records) == 1
    hindrance.rmdir()
    asyncio.run(timing.keep())
    assert set(read_times(tmp_path)) == {"near"}


def test_without_a_gateway_the_fleet_is_as_it_was_kept(tmp_path, board):
    plan = planned(tmp_path)
    assert kept_view(plan) == fleet_view(plan)
    learned_once(tmp_path, board, plan)
    paces = [one.pace for one in kept_view(plan).states]
    assert paces == [None, None, read_times(tmp_path)["near"].learned.pace]
    assert kept_view(planned(tmp_path, port="3")).states == fleet_view(plan).states
