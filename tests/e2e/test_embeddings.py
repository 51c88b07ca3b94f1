"""`POST /v1/embeddings` from the owned model of `situs up`, through the whole gateway."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import BadRequestError, OpenAI
from tests.e2e import stage
from tests.e2e.test_readme import Block, blocks, not_printed, run
from tests.weights import data_with_weights

from situs.config.load import default_config

CARD = "My card is 4111 1111 1111 1111."
CANARY = "canary" + "-4711"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """What `situs up` runs, without its chat model."""
    directory = tmp_path_factory.mktemp("embeddings")
    data = data_with_weights(directory)
    config: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(default_config("AU")))
    del config["models"]["smollm2"], config["deployments"]["local-smollm2"]
    file = stage.write_config(directory, json.dumps(config))
    arguments = ["serve", "--config", str(file)]
    with stage.started(arguments, data, directory / "situs.log") as gateway:
        yield gateway


def embed(gateway, given, **fields):
    document = {"model": "auto", "input": given, **fields}
    return gateway.call("POST", "/v1/embeddings", json.dumps(document).encode())


def test_the_how_to_works(gateway):
    (block,) = [b for b in blocks("docs/how-to/embeddings.md") if b.language == "python"]
    assert not_printed(block, run(Block("python", block.text, 1), gateway)) == []


def test_an_answer_is_recorded_without_a_peer(gateway):
    answer = embed(gateway, [CARD, "something else"])
    assert answer.status == 200
    assert answer.headers["x-situs-label"] == "confidential"
    assert answer.headers["x-situs-deployment"] == "local-minilm"
    outcome = gateway.outcome(answer.headers["x-situs-request-id"])
    (attempt,) = outcome["attempts"]
    assert (attempt["end"], attempt["status"]) == ("complete", 200)
    assert (attempt["peer"], attempt["bytes_out"]) == (None, 0)
    assert len(attempt["weights"]) == 64
    tokens = answer.json["usage"]["prompt_tokens"]
    assert {kind: count for kind, count in outcome["usage"].items() if count} == {
        "prompt_tokens": tokens
    }
    assert outcome["cost"] == pytest.approx(tokens * 0.001 / 1e6)


def test_base64_and_float_are_the_same_numbers(gateway):
    plain = embed(gateway, "a text", encoding_format="float").json["data"][0]["embedding"]
    packed = embed(gateway, "a text", encoding_format="base64").json["data"][0]["embedding"]
    assert list(struct.unpack("<384f", base64.b64decode(packed))) == plain


def test_the_official_client_gets_numbers_in_the_order_of_its_texts(gateway):
    with OpenAI(base_url=gateway.base_url, api_key="-", max_retries=0) as client:
        texts = [f"text number {n}" for n in range(20)]
        answer = client.embeddings.create(model="minilm", input=texts, dimensions=64)
        assert [one.index for one in answer.data] == list(range(20))
        assert {len(one.embedding) for one in answer.data} == {64}
        with pytest.raises(BadRequestError, match="dimensions is 385"):
            client.embeddings.create(model="minilm", input="a", dimensions=385)


def test_a_text_that_is_too_long_is_an_error_and_never_cut_off(gateway):
    # The estimate of so many letters is below the exact count, which is what decides.
    refused = embed(gateway, ["short", f"{CANARY} " + "ffl " * 130])
    assert refused.status == 400
    assert refused.code == "invalid_request"
    assert refused.json["error"]["param"] == "input[1]"
    assert "at most 254" in refused.json["error"]["message"]
    assert CANARY not in refused.body.decode() + gateway.log.read_text()
    assert embed(gateway, "short").status == 200  # an error of the caller is none of the model


def test_what_the_model_cannot_read_is_refused_before_it_gets_there(gateway):
    unread: list[Any] = [[1, 2, 3], [[1, 2], [3]], "word " * 2000]
    for given in unread:
        refused = embed(gateway, given)
        assert (refused.status, refused.code) == (422, "no_deployment_fits")
    for empty in ("", ["a", ""], []):
        assert embed(gateway, empty).status == 400
    assert gateway.chat("Hello.").status == 422  # there is no chat model here


def test_the_gateway_says_that_it_is_ready_and_what_it_serves(gateway):
    assert gateway.call("GET", "/readyz").status == 200
    names = [one["id"] for one in gateway.call("GET", "/v1/models").json["data"]]
    assert {"minilm", "local-minilm"} <= set(names)


def test_doctor_says_whether_the_model_can_be_loaded(gateway, tmp_path):
    def condition(data: Path) -> dict[str, str]:
        file = gateway.log.parent / "situs.yaml"
        command = stage.command("doctor", "--json", "--config", str(file), "--data", str(data))
        done = subprocess.run(command, capture_output=True, text=True)
        findings = {one["feature"]: one for one in json.loads(done.stdout)}
        assert "llama.cpp" not in findings
        found: dict[str, str] = findings["model local-minilm"]
        return found

    assert condition(gateway.data)["condition"] == "active"
    missing = condition(tmp_path)
    assert missing["condition"] == "problem"
    assert "situs models pull all-MiniLM-L6-v2.int8" in missing["do"]


@pytest.mark.parametrize("nothing", [" ", "x" * 150, "\N{PARTY POPPER}"])
def test_a_text_without_a_word_that_the_model_knows_is_refused(gateway, nothing):
    answer = embed(gateway, ["hello", nothing])
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert "input[1]" in answer.json["error"]["message"]
    assert embed(gateway, f"hello {nothing}").status == 200
