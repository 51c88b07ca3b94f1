"""A cascade, from rows that teach it to answers that are kept or not."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from tests.e2e import stage
from tests.e2e.test_workers import until

from situs.cli.doctor import doctor
from situs.cli.feedback import feedback
from situs.cli.train import train

CASCADE = {"error_rate": 0.2, "window_tokens": 4}


def config(fakes, artefact=None):
    """The office is cheap; what it says can be judged."""
    made = stage.fleet(fakes)
    made["defaults"] |= {"cascade": CASCADE}
    made["deployments"]["office-llm"]["endpoint"]["logprobs"] = True
    if artefact is not None:
        made["analysis"] = {"artefacts": {"confidence": artefact}}
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("cascade")
    with stage.fakes(place, "office", "us") as fakes:
        stage.write_config(place, config(fakes))
        yield place, fakes


@pytest.fixture(scope="module")
def trained(place):
    """The office's answers to questions; it is right where it is sure."""
    folder, fakes = place
    rows = folder / "rows.jsonl"
    questions = folder / "questions.jsonl"
    asked = [{"prompt": f"Say {n}.", "answer": f"office heard: Say {n}."} for n in range(260)]
    questions.write_text("".join(json.dumps(one) + "\n" for one in asked))
    said = ["confidence", str(questions), "--ask", str(rows), *_places(folder)]
    with stage.running(folder, config(fakes)):
        CliRunner().invoke(train, said, catch_exceptions=False)
    learnt = [json.loads(line) for line in rows.read_text().splitlines()]
    assert len(learnt) == 260
    assert all(one["correct"] for one in learnt)
    for k, one in enumerate(learnt[: len(learnt) // 2]):
        one["correct"] = k % 5 == 0
        for token in one["response"]["choices"][0]["logprobs"]["content"]:
            token["logprob"] = -3.0
    more = [{**one, "prompt": f"again: {one['prompt']}"} for one in learnt]
    rows.write_text("".join(json.dumps(one) + "\n" for one in [*learnt, *more]))
    done = CliRunner().invoke(train, ["confidence", str(rows), "--json", *_places(folder)])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)["version"]


def _places(folder):
    return ["--config", str(folder / "situs.yaml"), "--data", str(folder / "data")]


@pytest.fixture(scope="module")
def gateway(place, trained):
    folder, fakes = place
    with stage.running(folder, config(fakes, trained)) as running:
        yield running, fakes["office"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_office_answers_where_it_is_sure_and_nothing_shows_how_that_was_known(gateway, stream):
    running, office = gateway
    office.set(logprob=-0.25)
    answer = running.chat("Say 7 words or more to me.", stream=stream)
    assert answer.headers["x-situs-deployment"] == "office-llm"
    assert office.requests()[-1]["body"].count("logprobs") == 2
    assert b'"token"' not in answer.body
    [attempt] = running.outcome(answer.headers["x-situs-request-id"])["attempts"]
    assert attempt["confidence"] > 0.5


@pytest.mark.parametrize("stream", [False, True])
def test_where_it_is_not_the_better_one_does_and_both_are_on_record(gateway, stream):
    running, office = gateway
    office.set(logprob=-3.0)
    answer = running.chat("Say 7 words or more to me.", stream=stream)
    assert answer.headers["x-situs-deployment"] == "us-llm"
    assert answer.headers["x-situs-reason"] == "escalated"
    assert b"office" not in answer.body
    first, second = running.outcome(answer.headers["x-situs-request-id"])["attempts"]
    assert (first["end"], second["end"]) == ("unsure", "complete")
    assert first["confidence"] < 0.5


def test_what_may_not_leave_is_not_escalated(gateway):
    """The best that policy allows is used, however unsure it is."""
    running, office = gateway
    office.set(logprob=-3.0)
    answer = running.chat("Hello.", headers={"x_situs_label": "restricted"})
    assert answer.headers["x-situs-deployment"] == "office-llm"
    assert answer.headers["x-situs-attempts"] == "1"


def test_what_was_judged_is_evidence_of_how_good_the_model_is(gateway, place):
    running, office = gateway
    office.set(logprob=-3.0)
    assert running.chat().status == 200

    def judged():
        said = CliRunner().invoke(feedback, ["beliefs", "--json", *_places(place[0])])
        rows = [
            one
            for one in json.loads(said.stdout)["beliefs"]
            if (one["model"], one["kind"]) == ("office-model", "any")
        ]
        return sum(one["ratings"]["cascade"] for one in rows)

    before = judged()
    assert running.chat().status == 200
    until(lambda: judged() > before)


def test_metrics_count_what_was_kept_and_what_was_not(gateway):
    running, office = gateway
    for logprob in (-0.25, -3.0):
        office.set(logprob=logprob)
        assert running.chat().status == 200
    until(lambda: verdicts(running) == {"kept", "escalated"})


def verdicts(running):
    text = running.call("GET", "/metrics").body.decode()
    return set(re.findall(r'situs_cascade_total{deployment="office-llm",verdict="(\w+)"}', text))


def test_without_a_calibration_the_doctor_says_that_it_has_no_effect(place):
    folder, fakes = place
    stage.write_config(folder, config(fakes))
    done = CliRunner().invoke(doctor, ["--json", *_places(folder)])
    [found] = [one for one in json.loads(done.output) if one["feature"] == "cascade"]
    assert found["condition"] == "problem"
    assert "situs train confidence" in json.dumps(found)


def test_with_one_it_says_how_many_are_kept(place, trained):
    folder, fakes = place
    stage.write_config(folder, config(fakes, trained))
    done = CliRunner().invoke(doctor, ["--json", *_places(folder)])
    [found] = [one for one in json.loads(done.output) if one["feature"] == "cascade"]
    assert found["condition"] == "active"
    assert "office-model keeps" in json.dumps(found)
