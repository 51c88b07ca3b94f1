"""What a policy owes, with the real llama.cpp: how long an answer may be, and what it may hold."""

from __future__ import annotations

import pytest
from tests.e2e import stage
from tests.weights import data_with_weights

POLICY = """
package situs

import rego.v1

allow contains d.name if some d in input.deployments

deny contains {"deployment": d.name, "code": "elsewhere"} if {
	some d in input.deployments
	d.locus.owned == false
}

obligations contains {"kind": "max_output_tokens", "deployment": "*", "limit": 5}

obligations contains {"kind": "answer_scan", "action": "redact", "findings": ["email"]}

obligations contains {"kind": "pseudonymise", "deployment": "*"}
"""
CONFIG = {
    "version": 1,
    "home": "AU",
    "policy": {"paths": ["owed.rego"]},
    "loci": {
        "desk": {"kind": "device", "jurisdiction": "AU", "owned": True, "key_custody": "customer"}
    },
    "models": {
        "smollm2": {
            "file": "SmolLM2-135M-Instruct.Q4_1",
            "capability": "tiny",
            "context_tokens": 2048,
            "serves": ["chat", "completions"],
        }
    },
    "deployments": {
        "local": {
            "model": "smollm2",
            "locus": "desk",
            "runtime": {"kind": "llama_cpp", "threads": 1, "parallel": 1, "context_tokens": 1024},
            "price": {"currency": "USD", "prompt": 0.1, "completion": 0.1},
        }
    },
}
ASK = "To ann.lee@firm.test: Count to twenty. One, two, three, four, five, six,"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    directory = tmp_path_factory.mktemp("owed")
    (directory / "owed.rego").write_text(POLICY)
    data_with_weights(directory)
    with stage.running(directory, CONFIG) as gateway:
        yield gateway


def asked(wire):
    prompt = {"messages": [{"role": "user", "content": ASK}]} if wire == "chat" else {"prompt": ASK}
    return {"model": "auto", "temperature": 0, **prompt}


@pytest.mark.parametrize("wire", ["chat", "completions"])
@pytest.mark.parametrize("fields", [{}, {"max_tokens": 60}, {"max_tokens": 3}])
def test_the_limit_is_kept_whole_and_streamed(client, wire, fields):
    create = (client.chat.completions if wire == "chat" else client.completions).create
    answer = create(**asked(wire), **fields)
    most = min(5, fields.get("max_tokens", 5))
    assert answer.usage.completion_tokens == most
    assert answer.choices[0].finish_reason == "length"
    usage = {"include_usage": True}
    *_, last = create(**asked(wire), **fields, stream=True, stream_options=usage)
    assert last.usage.completion_tokens == most
    assert last.situs["obligations"].startswith("answer_scan=0, max_output_tokens=1")


def test_the_newer_name_of_the_limit_is_kept_too(client):
    answer = client.chat.completions.create(**asked("chat"), max_completion_tokens=60)
    assert answer.usage.completion_tokens == 5


def test_the_receipt_says_what_was_done(gateway, client):
    raw = client.chat.completions.with_raw_response.create(**asked("chat"))
    outcome = gateway.outcome(raw.headers["x-situs-request-id"])
    [attempt] = outcome["attempts"]
    done = attempt["obligations"]
    assert (done["pseudonymise"], done["answer_scan"], done["max_output_tokens"]) == (1, 0, 1)
