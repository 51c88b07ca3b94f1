"""Feedback on real answers of a real gateway changes where the next request goes."""

from __future__ import annotations

import json

import pytest
from tests.e2e import stage
from tests.e2e.test_keys import bearer, keys
from tests.e2e.test_workers import until

from situs.cli.admin import SOCKET, OverSocket, ask

ENOUGH = 25
"""Bad ratings after which a small model is no longer expected to do."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    place = tmp_path_factory.mktemp("feedback")
    with (
        stage.fakes(place, "office", "us") as fakes,
        stage.running(place, stage.fleet(fakes)) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def admin(gateway):
    made = keys(gateway.data, "create", "ops", "--scope", "admin", "--scope", "inference")
    until(lambda: gateway.call("GET", "/v1/models", **bearer(made["key"])).status == 200)
    return bearer(made["key"])


def rate(gateway, id_, headers=None, **said):
    body = json.dumps({"id": id_, **said}).encode()
    return gateway.call("POST", "/situs/v1/feedback", body, **(headers or {}))


def served(gateway):
    answer = gateway.chat()
    assert answer.status == 200
    return answer.headers


def test_answers_that_are_called_bad_send_the_next_request_elsewhere(gateway, admin):
    answers = [served(gateway) for _ in range(ENOUGH)]
    assert {one["x-situs-deployment"] for one in answers} == {"office-llm"}
    last = answers[-1]["x-situs-receipt"]
    until(lambda: rate(gateway, last, admin, acceptable=False).status == 200)
    for one in answers:
        told = rate(gateway, one["x-situs-request-id"], admin, acceptable=False)
        assert (told.status, told.json["model"]) == (200, "office-model")
    status, _ = ask(OverSocket(gateway.data / SOCKET, 30.0), "", "POST", "/situs/v1/reload")
    assert status == 200
    until(lambda: served(gateway)["x-situs-deployment"] == "us-llm")


def test_what_is_on_no_record_and_what_is_no_feedback_are_refused(gateway):
    assert rate(gateway, "req_nobody", acceptable=True).status == 400
    assert rate(gateway, "req_nobody", acceptable="yes").status == 400
    assert gateway.call("GET", "/situs/v1/feedback").status == 405
