"""Crafted attempts to get confidential content to a cloud, under two policies.

Under the default policy nothing may arrive there at all; under one that has everything hidden for
clouds, nothing may arrive that still holds a value, as it is or as it was disguised.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest
from tests.e2e import stage
from tests.e2e.adversarial import Filled, cases, document

CASES = cases()

HIDES = """
package situs

import rego.v1

allow contains d.name if some d in input.deployments

deny contains {"deployment": d.name, "code": "data_may_not_leave"} if {
	some d in input.deployments
	some source in input.data
	source.leaves == "never"
	not d.locus.name in source.loci
}

obligations contains {"kind": "pseudonymise", "deployment": d.name} if {
	some d in input.deployments
	d.locus.kind == "public_cloud"
}

obligations contains {"kind": "redact", "deployment": d.name} if {
	some d in input.deployments
	d.locus.kind == "sovereign_cloud"
}

obligations contains {"kind": "hold_for_approval", "deployment": d.name, "limit": 1} if {
	input.criticality == "operational"
	some d in input.deployments
	not d.locus.owned
}
"""


def fleet(fakes, **changes):
    config = stage.fleet(fakes, **changes)
    for name in fakes:
        model = config["models"][f"{name}-model"]
        model["modalities"] = ["text", "tokens", "image", "audio", "file"]
        config["models"][f"{name}-embed"] = {**model, "serves": ["embeddings"]}
        deployment = config["deployments"][f"{name}-llm"]
        config["deployments"][f"{name}-vec"] = {**deployment, "model": f"{name}-embed"}
    facts = {"jurisdiction": "AU", "loci": ["office"]}
    config["data"] = {
        "ledgers": {"label": "public", "leaves": "never", **facts},
        "open": {"label": "public", "leaves": "anywhere", **facts},
    }
    config["routes"] = {
        "cloud-route": {"samples": ["hello"], "deployments": ["us-llm"]},
        "ledger-route": {"samples": ["show me the ledger of last month"], "data": ["ledgers"]},
    }
    config["analysis"] = {"deep": False}
    return config


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("fakes"), "office", "national", "us") as started:
        yield started


@pytest.fixture(scope="module")
def gateways(fakes, tmp_path_factory):
    directory = tmp_path_factory.mktemp("adversarial")
    (directory / "hides.rego").write_text(HIDES)
    hides = fleet(fakes, policy={"paths": [str(directory / "hides.rego")]})
    first, second = directory / "default", directory / "hides"
    first.mkdir()
    second.mkdir()
    with stage.running(first, fleet(fakes)) as default, stage.running(second, hides) as hiding:
        yield {"default": default, "hides": hiding}


class Outside:
    """What arrives at a place that is not owned, from now on."""

    def __init__(self, *fakes):
        self._logs = [(fake.log, fake.log.stat().st_size) for fake in fakes]

    def events(self):
        for log, size in self._logs:
            with log.open("rb") as file:
                file.seek(size)
                yield from map(json.loads, file.read().splitlines())

    def bodies(self):
        return [one["body"] for one in self.events() if one["event"] == "request"]


def sent(gateway, case, model):
    """One attempt; a header's or a path's oddity may be refused before anything is read."""
    body = case.get("raw")
    if body is None:
        body = json.dumps({"model": model, **document(case)})
    path = case.get("path", stage.CHAT)
    headers = {name.replace("-", "_"): text for name, text in case.get("headers", {}).items()}
    return gateway.call("POST", path, body.encode(), **headers)


def attempted(gateway, case):
    pinned = case.get("model", "us-llm")
    for before in case.get("before", ()):
        assert sent(gateway, before, "office-llm").status == 200
    models = dict.fromkeys((pinned, pinned.replace("us-", "national-"), "auto"))
    if "raw" in case or case.get("path", "").endswith("embeddings"):
        models = {pinned: None}
    return [sent(gateway, case, model) for model in models]


def bare(text):
    return "".join(filter(str.isalnum, text)).casefold()


def texts(value):
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [] if value is None else [str(value)]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_nothing_confidential_leaves(gateways, fakes, case):
    outside = Outside(fakes["us"], fakes["national"])
    attempted(gateways["default"], {**Filled(case).case})
    assert outside.bodies() == []
    assert not any(one["event"] in ("connection", "bytes") for one in outside.events())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_hidden_for_clouds_does_not_arrive_there(gateways, fakes, case):
    filled = Filled(case)
    outside = Outside(fakes["us"], fakes["national"])
    attempted(gateways["hides"], filled.case)
    bodies = outside.bodies()
    if "data" in case["name"] and case.get("session"):
        assert bodies == []
    for body in bodies:
        there = unquote("".join(texts(json.loads(body))))
        for value in filled.held | filled.shown:
            assert value not in there
            assert not bare(value) or bare(value) not in bare(there)


def test_a_clean_request_reaches_both_clouds(gateways, fakes):
    for gateway in gateways.values():
        for model in ("us-llm", "national-llm"):
            outside = Outside(fakes["us"], fakes["national"])
            assert gateway.chat("What is the capital of Australia?", model=model).status == 200
            assert len(outside.bodies()) == 1


def test_there_are_two_hundred_attempts_and_each_has_a_name_of_its_own():
    names = [case["name"] for case in CASES]
    assert len(names) >= 200
    assert len(set(names)) == len(names)
