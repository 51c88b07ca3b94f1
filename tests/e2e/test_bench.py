"""`situs bench` on a real gateway: who is right, what it took, and what is kept of it."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from tests.e2e import stage

from situs.studies.bench import questions

PLACE = next(k for k, one in enumerate(questions()) if "Lisbon" in one.answers)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    place = tmp_path_factory.mktemp("bench")
    with (
        stage.fakes(place, "office", "us") as fakes,
        stage.running(place, stage.fleet(fakes)) as running,
    ):
        fakes["us"].set(content="It has many hills.\n\n**Lisbon**.")
        yield running, fakes["us"]


@pytest.fixture
def gateway(served):
    return served[0]


def bench(gateway, *arguments):
    place = ["--config", str(gateway.data.parent / "situs.yaml"), "--data", str(gateway.data)]
    command = stage.command("bench", *arguments, *place)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ratings(gateway):
    words = stage.command("feedback", "list", "--json", "--data", str(gateway.data))
    return json.loads(subprocess.run(words, capture_output=True, check=True).stdout)


def test_who_is_right_is_told_from_who_is_not_and_counts_where_it_is_kept(gateway):
    said = bench(gateway, "--sample", str(PLACE + 1), "--keep", "--json")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    office, us = found["deployments"]
    assert (office["deployment"], us["deployment"]) == ("office-llm", "us-llm")
    assert (office["all"]["right"], us["all"]["right"]) == (0, 1)
    assert us["tasks"]["open_qa"]["right"] == 1
    assert us["per_million"] == pytest.approx(5.0)
    assert us["ttft_s"] <= us["e2e_s"]
    assert found["kept"] == 2 * (PLACE + 1)
    right = [one for one in found["asked"] if one.get("right")]
    assert [(one["question"], one["deployment"]) for one in right] == [(PLACE, "us-llm")]
    kept = ratings(gateway)
    assert {one["source"] for one in kept} == {"bench"}
    assert sum(one["score"] for one in kept) == 1
    bench(gateway, "--sample", str(PLACE + 1), "--keep")
    again = ratings(gateway)
    assert len(again) == len(kept)
    assert not {one["id"] for one in again} & {one["id"] for one in kept}


def test_what_was_asked_before_it_is_stopped_is_shown_and_kept(served):
    gateway, us = served
    place = ["--config", str(gateway.data.parent / "situs.yaml"), "--data", str(gateway.data)]
    command = stage.command("bench", "us-llm", "--keep", "--json", *place)
    before = len(us.requests())
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(us.requests()) < before + 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130, err
    found = json.loads(out)
    assert 1 <= len(found["asked"]) < len(questions())
    assert found["kept"] == found["deployments"][0]["all"]["asked"] >= 1


def test_what_gets_no_answer_is_told_and_counts_neither_way(gateway, tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_text('{"prompt": "Is my card 4111 1111 1111 1111 safe?", "answer": "no"}\n')
    said = bench(gateway, "us-llm", "--file", str(file), "--keep")
    assert "us-llm: 1 question without an answer (placement_denied)" in said.stdout
    assert "kept 0 ratings" in said.stdout


def test_a_deployment_that_is_none_is_named_with_those_that_are(gateway):
    said = bench(gateway, "us-lm")
    assert said.returncode == 2
    assert "no deployment us-lm answers chats; these do: office-llm, us-llm" in said.stderr
