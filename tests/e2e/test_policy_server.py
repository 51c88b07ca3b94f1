"""A running gateway whose policy an OPA server evaluates."""

from __future__ import annotations

import pytest
from tests.e2e import stage
from tests.fakes.opa import MISSING, is_here
from tests.fakes.opa_server import opa_server

from situs.rego.library import shipped
from situs.rego.modules import Source, read_modules

pytestmark = pytest.mark.skipif(not is_here(), reason=MISSING)
IBAN = "Pay to DE89 3704 0044 0532 0130 00, please."


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as both:
        yield both


def fleet(fakes, url: str):
    token = "env:SITUS_TEST_OPA_TOKEN"
    engine = {"kind": "opa", "url": url, "token": token, "deadline_ms": 5000}
    return stage.fleet(fakes, policy={"engine": engine})


def test_its_verdicts_hold_and_without_it_nothing_leaves(tmp_path, fakes, monkeypatch):
    monkeypatch.setenv("SITUS_TEST_OPA_TOKEN", "t-1")
    source = Source(read_modules([shipped()]), revision="r1")
    with (
        opa_server(source, tmp_path, token="t-1") as url,
        stage.running(tmp_path, fleet(fakes, url)) as gateway,
    ):
        assert gateway.chat(model="us-llm").status == 200
        denied = gateway.chat(IBAN, model="us-llm")
        assert (denied.status, denied.code) == (403, "placement_denied")
        assert gateway.chat(IBAN).headers["x-situs-deployment"] == "office-llm"
        stream = gateway.chat("Hello.", model="us-llm", stream=True)
        assert stage.events(stream)[-1] == "[DONE]"
    # The server is gone now.
    with stage.running(tmp_path, fleet(fakes, url)) as gateway:
        gone = gateway.chat()
        assert (gone.status, gone.code) == (403, "placement_denied")
        assert "engine_down" in gone.json["error"]["message"]
        told = [line["policy"].get("error") for line in gateway.lines("decision")]
        assert told.count("engine_down") == 1


def test_a_wrong_token_denies(tmp_path, fakes, monkeypatch):
    monkeypatch.setenv("SITUS_TEST_OPA_TOKEN", "wrong")
    with (
        opa_server(Source(read_modules([shipped()])), tmp_path, token="t-1") as url,
        stage.running(tmp_path, fleet(fakes, url)) as gateway,
    ):
        assert "engine_status" in gateway.chat().json["error"]["message"]
