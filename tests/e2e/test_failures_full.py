"""More requests than there are places: they wait, and are answered."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.e2e import stage


def full(fakes, **server):
    """One deployment that takes one request at a time."""
    config = stage.fleet(fakes, server=server)
    config["deployments"]["office-llm"]["max_in_flight"] = 1
    return config


def test_requests_beyond_what_a_deployment_takes_wait_and_are_answered(tmp_path):
    with stage.fakes(tmp_path, "office") as fakes:
        fakes["office"].set(mode="slow", delay_s=0.1)
        with stage.running(tmp_path, full(fakes)) as gateway, ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: gateway.chat(), range(4)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["x-situs-attempts"] for answer in answers} == {"1"}


def test_who_finds_no_place_in_time_gets_a_503_and_when_to_come_again(tmp_path):
    with stage.fakes(tmp_path, "office") as fakes:
        fakes["office"].set(mode="hang_before_head", once=True)
        config = full(fakes, patience_s=0.2)
        config["defaults"]["answer_timeout_s"] = 5.0
        with stage.running(tmp_path, config) as gateway, ThreadPoolExecutor(2) as pool:
            first = pool.submit(gateway.chat)
            while not fakes["office"].requests():
                time.sleep(0.02)
            second = gateway.chat()
            assert (second.status, second.code) == (503, "no_capacity")
            assert int(second.headers["retry-after"]) >= 1
            assert len(fakes["office"].requests()) == 1
            assert first.result().status == 503
