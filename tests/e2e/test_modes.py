"""Moving in step by step: who serves, what is copied, which pilot ends by itself."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from tests.e2e.stage import command, fakes, fleet, running

from situs.stores.comparisons import comparisons

BASELINE = {"baseline": "us-llm"}
PILOT = {**BASELINE, "mode": "pilot", "share": 0.5}
MARK = "zweiundvierzig"


def patiently(look, wait_s=20.0):
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


def situs(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def copies(gateway):
    return [line for line in gateway.lines("decision") if "copy" in line["request"]]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as started:
        yield started


@pytest.fixture(scope="module")
def shadow(upstream, tmp_path_factory):
    config = fleet(upstream, defaults={"mode": "shadow", **BASELINE})
    with running(tmp_path_factory.mktemp("shadow"), config) as gateway:
        yield gateway


def test_observe_leaves_all_as_it_was_and_records_what_would_have_been(upstream, tmp_path):
    config = fleet(upstream, defaults={"mode": "observe", **BASELINE})
    before = len(upstream["office"].requests())
    with running(tmp_path, config) as gateway:
        answer = gateway.chat()
        assert answer.headers["x-situs-deployment"] == "us-llm"
        assert answer.headers["x-situs-reason"] == "observe"
        outcome = gateway.outcome(answer.headers["x-situs-request-id"])
        assert outcome["moded"] == {"mode": "observe", "scope": "defaults", "group": "baseline"}
        (line,) = gateway.lines("decision")
        assert (line["placement"]["mode"], line["placement"]["pick"]) == ("observe", "office-llm")
        code, out, _ = situs("decisions", "show", line["id"], "--data", str(gateway.data))
        assert code == 0
        assert "observe (defaults); else office-llm" in out
        explained = gateway.chat(path="/situs/v1/explain").json
        assert explained["decision"]["placement"]["mode"] == "observe"
    assert len(upstream["office"].requests()) == before


def test_shadow_answers_from_the_baseline_and_asks_the_pick_as_well(shadow, upstream):
    known = len(copies(shadow))
    answer = shadow.chat(f"Say {MARK}.", stream=True)
    asked = answer.headers["x-situs-request-id"]
    assert answer.headers["x-situs-deployment"] == "us-llm"
    line = patiently(lambda: copies(shadow)[known:])[0]
    assert line["request"]["copy"] == {"of": asked, "at": "office-llm"}
    outcome = shadow.outcome(line["id"])
    assert outcome["copy_of"] == asked
    assert [(one["deployment"], one["end"]) for one in outcome["attempts"]] == [
        ("office-llm", "complete")
    ]
    assert outcome["saved"] is None
    (row,) = patiently(lambda: [one for one in comparisons(shadow.data) if one.of == asked])
    assert (row.served, row.copied, row.end) == ("us-llm", "office-llm", "complete")
    assert 0.0 < row.similarity < 1.0
    assert row.copied_ttft_s is not None
    assert row.copied_cost < row.cost
    code, out, _ = situs("decisions", "show", line["id"], "--data", str(shadow.data))
    assert code == 0
    assert f"a copy of {asked}" in out


def test_a_copy_of_a_short_answer_says_something_of_the_model(shadow):
    asked = shadow.chat("Hello.").headers["x-situs-request-id"]
    (row,) = patiently(lambda: [one for one in comparisons(shadow.data) if one.of == asked])
    assert (row.model, row.copied_model, row.tokens < 17) == ("us-model", "office-model", True)
    file = str(shadow.data.parent / "situs.yaml")
    given = ("beliefs", "--json", "--config", file, "--data", str(shadow.data))
    code, out, _ = situs("feedback", *given)
    assert code == 0
    (belief,) = [
        one
        for one in json.loads(out)["beliefs"]
        if (one["model"], one["kind"], one["needs"]) == (row.copied_model, row.task, row.needs)
    ]
    assert belief["ratings"]["shadow"] >= 1


def test_no_content_is_kept_of_a_copy(shadow):
    shadow.chat(f"Say {MARK}.")
    patiently(lambda: comparisons(shadow.data))
    for file in shadow.data.rglob("*"):
        if file.is_file():
            assert MARK.encode() not in file.read_bytes(), file.name


def test_a_copy_goes_nowhere_that_policy_denies_and_a_denied_baseline_is_not_used(shadow):
    known = len(copies(shadow))
    answer = shadow.chat(headers={"x-situs-label": "restricted"})
    assert answer.headers["x-situs-deployment"] == "office-llm"
    shadow.chat()
    lines = patiently(lambda: copies(shadow)[known:])
    assert [one["request"]["copy"]["of"] for one in lines] != [answer.headers["x-situs-request-id"]]
    assert len(lines) == 1


def test_a_copy_leaves_its_session_as_it_is(shadow):
    known = len(copies(shadow))
    for label in ("internal", "public"):
        headers = {"x-situs-session": "s1", "x-situs-label": label}
        answer = shadow.chat(headers=headers)
        assert answer.headers["x-situs-label"] == "internal"
    lines = patiently(lambda: (found := copies(shadow)[known:])[1:] and found)
    assert {one["request"]["session"]["after"] for one in lines} == {"internal"}


def test_copies_are_no_requests_in_the_metrics(shadow):
    shadow.chat()

    def sent():
        text = shadow.call("GET", "/metrics").body.decode()
        lines = [one for one in text.splitlines() if not one.startswith("#")]
        if not any(one.startswith('situs_copies_total{result="sent"}') for one in lines):
            return None
        return lines

    lines = patiently(sent)
    served = [one for one in lines if one.startswith("situs_requests_total")]
    assert not any('deployment="office-llm",label="public"' in one.replace(", ", ",")
                   and 'locus="office"' in one for one in served)  # fmt: skip
    assert any('situs_mode_requests_total{group="baseline",mode="shadow"' in one for one in lines)


def test_the_command_compares(shadow):
    shadow.chat()
    patiently(lambda: comparisons(shadow.data))
    code, out, _ = situs("modes", "compare", "--data", str(shadow.data), "--json")
    group = json.loads(out)[0]
    assert (code, group["served"], group["copied"]) == (0, "us-llm", "office-llm")
    code, out, _ = situs("modes", "compare", "--data", str(shadow.data), "--since", "1h")
    assert code == 0
    assert "chat: Wait: " in out
    code, out, _ = situs("modes", "status", "--data", str(shadow.data))
    assert code == 0
    assert "shadow" in out


def test_a_pilot_that_turns_bad_ends_by_itself_until_somebody_resets_it(upstream, tmp_path):
    guard = {"metric": "e2e_p95", "worse_by": 0.5, "least": 10}
    config = fleet(upstream, defaults={**PILOT, "guard": guard})

    def rolled_back(gateway):
        text = gateway.call("GET", "/metrics").body.decode()
        return 'situs_pilot_rolled_back{scope="defaults"} 1.0' in text

    def where(gateway, session):
        return gateway.chat(headers={"x-situs-session": session}).headers["x-situs-deployment"]

    with running(tmp_path, config) as gateway:
        first = {f"s{n}": where(gateway, f"s{n}") for n in range(24)}
        assert set(first.values()) == {"us-llm", "office-llm"}
        assert {name: where(gateway, name) for name in first} == first
        assert not rolled_back(gateway)
        upstream["office"].set(mode="slow", delay_s=0.05)
        inside = [name for name, place in first.items() if place == "office-llm"]
        for _ in range(3):
            for name in inside:
                where(gateway, name)
        patiently(lambda: rolled_back(gateway))
        assert {where(gateway, name) for name in inside} == {"us-llm"}
        assert "the pilot of defaults is rolled back: e2e_p95" in gateway.log.read_text()
    with running(tmp_path, config, data=tmp_path / "data") as gateway:
        assert {where(gateway, name) for name in inside} == {"us-llm"}
        upstream["office"].set()
        assert situs("modes", "reset", "defaults", "--data", str(gateway.data))[0] == 0
        patiently(lambda: where(gateway, inside[0]) == "office-llm")
        code, _, told = situs("modes", "reset", "defaults", "--data", str(gateway.data))
        assert (code, "No pilot of this scope" in told) == (2, True)


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        ("cloud_default", ["us-llm", "office-llm"]),
        ("local_default", ["office-llm", "us-llm"]),
    ],
)
def test_the_last_two_steps(upstream, tmp_path, mode, order):
    with running(tmp_path, fleet(upstream, defaults={"mode": mode})) as gateway:
        answer = gateway.chat()
        assert answer.headers["x-situs-reason"] == mode
        (line,) = gateway.lines("decision")
        assert [one["deployment"] for one in line["placement"]["ranked"]] == order
        first = order[0].removesuffix("-llm")
        upstream[first].set(mode="status_500", once=True)
        answer = gateway.chat()
        assert (answer.status, answer.headers["x-situs-deployment"]) == (200, order[1])
