"""What a gateway decided comes out the same when its record is replayed."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.e2e import stage

from situs.rego.library import shipped
from situs.trust.api_keys import Grants, create_key

LEDGERS = {"label": "internal", "jurisdiction": "AU", "loci": ["office"], "moved_mb": 0.5}
LIST = {"label": "restricted", "keywords": ["Bluebird"]}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A record of requests of many kinds, and the configuration that it was made with."""
    directory = tmp_path_factory.mktemp("replay")
    _, key = create_key(directory / "data", Grants(name="app", groups=("staff", "audit")), 1.0)
    with stage.fakes(directory, "office", "national", "us") as fakes:
        config = stage.fleet(fakes, data={"ledgers": LEDGERS}, labels={"lists": {"project": LIST}})
        with stage.running(directory, config) as gateway:
            sent = [
                gateway.chat(text, headers={"authorization": f"Bearer {key}", **headers}, **fields)
                for text, headers, fields in (
                    ("Hello there.", {}, {}),
                    ("Hello there.", {"x-situs-label": "confidential"}, {}),
                    ("My card is 4111 1111 1111 1111.", {"x-situs-session": "one"}, {}),
                    ("Thanks.", {"x-situs-session": "one"}, {}),
                    ("Sum up.", {"x-situs-data": "ledgers"}, {"stream": True}),
                    ("About Bluebird.", {}, {}),
                    ("Hello.", {"x-situs-objective": "best", "x-situs-max-cost": "0.01"}, {}),
                    ("Hello.", {}, {"model": "us-llm", "max_tokens": 64, "n": 2}),
                    ("Hello.", {"x-situs-objective": "private"}, {"tools": []}),
                )
            ]
            statuses = [answer.status for answer in sent]
    assert statuses.count(200) == len(statuses), [one.body for one in sent if one.status != 200]
    return directory, len(sent)


def situs(directory, *arguments, code=0):
    done = subprocess.run(
        stage.command("policy", *map(str, arguments), "--data", str(directory / "data"),
                      "--config", str(directory / "situs.yaml"), "--json"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_the_same_policy_says_and_ranks_the_same(scene):
    directory, count = scene
    found = situs(directory, "replay", "--fail-on", "moved", "--fail-on", "denied")
    same = found["reproduced"]
    assert (found["replayed"], same["verdicts"], same["rankings"]) == (count, count, count)
    for part in ("verdicts_other", "rankings_other", "figures_other"):
        assert same[part] == {"decisions": 0, "ways": []}
    assert (found["doubts"], found["lost"]) == ([], {})


def test_a_stricter_policy_keeps_what_left_and_lets_nothing_go(scene):
    directory, _ = scene
    strict = shipped("examples/confidential_on_prem")
    found = situs(directory, "replay", "--policy", strict, "--fail-on", "left")
    assert found["changes"]["left"]["decisions"] == 0


def test_a_looser_policy_is_stopped_at_the_gate(scene, tmp_path):
    directory, _ = scene
    loose = tmp_path / "loose.rego"
    loose.write_text(
        "package situs\n\nimport rego.v1\n\n"
        "allow contains d.name if some d in input.deployments\n\n"
        'deny contains {"deployment": d.name, "code": "x"} if {\n'
        "\tsome d in input.deployments\n\tfalse\n}\n"
    )
    found = situs(directory, "replay", "--policy", loose, "--fail-on", "left", code=1)
    ways = {way["what"] for way in found["changes"]["left"]["ways"]}
    assert {"confidential -> us", "restricted -> us"} <= ways
    [refused] = [one for one in found["failed"] if "leave" in one and "newly may" in one]
    assert refused.endswith(str(found["changes"]["left"]["decisions"]))
