"""What a policy owes is done on every wire, streamed or not; and a person's word is waited for."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.e2e import stage
from tests.fakes.otlp_collector import fake_collector

from situs.trust.api_keys import Grants, Scope, create_key

CARD = "4111 1111 1111 1111"
SAID = f"Charge {CARD} now."
CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
WIRES = [
    (CHAT, False),
    (CHAT, True),
    (COMPLETIONS, False),
    (COMPLETIONS, True),
    (EMBEDDINGS, False),
]
PICTURE = "data:image/png;base64,AAAA"

OWED = {
    "redact": {"findings": ["card"]},
    "pseudonymise": {},
    "strip_attachments": {},
    "no_retention": {},
    "require_owned": {},
    "max_output_tokens": {"limit": 3},
    "hold_for_approval": {"limit": 20},
    "no_log": {},
    "scan_redact": {"kind": "answer_scan", "action": "redact"},
    "scan_stop": {"kind": "answer_scan", "action": "stop", "findings": ["card"]},
    "scan_note": {"kind": "answer_scan", "action": "note"},
    "short_hold": {"kind": "hold_for_approval", "limit": 1},
}
"""By data set: what a request that draws on it owes."""

POLICY = """
package situs

import rego.v1

allow contains d.name if some d in input.deployments

draws contains one.name if some one in input.data

deny contains {"deployment": d.name, "code": "nowhere"} if {
	some d in input.deployments
	"nowhere" in draws
}
"""
EMBED = {"capability": "tiny", "context_tokens": 8192, "serves": ["embeddings"]}


def rule(name, owed):
    words = {"kind": name, "deployment": "*", **owed}
    return f'\nobligations contains {json.dumps(words)} if "{name}" in draws\n'


def configured(directory, fakes, **changes):
    (directory / "owed.rego").write_text(POLICY + "".join(rule(n, o) for n, o in OWED.items()))
    config = stage.fleet(fakes, policy={"paths": ["owed.rego"]}, **changes)
    for name in fakes:
        chat = config["deployments"][f"{name}-llm"]
        config["models"][f"{name}-embed"] = EMBED
        config["deployments"][f"{name}-vec"] = {**chat, "model": f"{name}-embed"}
    config["loci"]["us"]["retention"] = "30d"
    for name in ("us-llm", "us-vec"):
        config["deployments"][name]["endpoint"]["no_retention"] = {"store": False}
    everywhere = {"label": "public", "jurisdiction": "AU", "loci": [], "leaves": "anywhere"}
    config["data"] = dict.fromkeys((*OWED, "nowhere"), everywhere)
    return config


@pytest.fixture(scope="module")
def collector():
    with fake_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def scene(tmp_path_factory, collector):
    directory = tmp_path_factory.mktemp("owed")
    watched = {"access_log": True, "otlp": {"endpoint": collector.url}}
    with stage.fakes(directory, "office", "us") as fakes:
        config = configured(directory, fakes, telemetry=watched)
        with stage.running(directory, config) as gateway:
            yield gateway, fakes


@pytest.fixture(autouse=True)
def as_usual(scene):
    for fake in scene[1].values():
        fake.set(mode="ok")


def ask(gateway, wire, owed, *texts, model=None, **fields):
    path, stream = wire
    document = {"model": model or ("us-vec" if path == EMBEDDINGS else "us-llm"), **fields}
    if path == CHAT:
        document["messages"] = [{"role": "user", "content": text} for text in texts or (SAID,)]
    else:
        document["input" if path == EMBEDDINGS else "prompt"] = list(texts or (SAID,))
    if stream:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    return gateway.call("POST", path, json.dumps(document).encode(), **{"x-situs-data": owed})


def said(answer, wire):
    """All that was said, put together; None for vectors."""
    path, stream = wire
    if path == EMBEDDINGS:
        return None
    documents = [e for e in stage.events(answer) if e != "[DONE]"] if stream else [answer.json]
    choices = [choice for one in documents for choice in one.get("choices", ())]
    if path == COMPLETIONS:
        return "".join(choice["text"] for choice in choices)
    return "".join(
        choice["delta" if stream else "message"].get("content") or "" for choice in choices
    )


def sent(fake):
    return json.loads(fake.requests()[-1]["body"])


def attempt(gateway, answer):
    (one,) = gateway.outcome(answer.headers["x-situs-request-id"])["attempts"]
    return one


def finals(answer):
    """What the last usage chunk of a stream says."""
    return next(e["situs"] for e in stage.events(answer) if e != "[DONE]" and "situs" in e)


# Each on every wire


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize(
    ("owed", "leaves", "heard", "counts"),
    [
        ("redact", False, "Charge [CARD] now.", {"redact": 1}),
        ("pseudonymise", False, SAID, {"pseudonymise": 1, "restored": 1}),
        ("no_retention", True, SAID, {"no_retention": 1}),
        ("no_log", True, SAID, {"no_log": 1}),
        ("scan_redact", True, "Charge [CARD] now.", {"answer_scan": 1}),
        ("scan_note", True, SAID, {"answer_scan": 1}),
        (
            "pseudonymise,scan_stop",
            False,
            SAID,
            {"answer_scan": 0, "pseudonymise": 1, "restored": 1},
        ),
    ],
)
def test_what_is_owed_is_done(scene, wire, owed, leaves, heard, counts):
    gateway, fakes = scene
    fakes["us"].set(mode="ok", piece_chars=3)
    answer = ask(gateway, wire, owed)
    assert answer.status == 200, answer.body
    body = json.dumps(sent(fakes["us"]))
    assert (CARD in body) is leaves
    assert sent(fakes["us"]).get("store") is (False if owed == "no_retention" else None)
    vectors = wire[0] == EMBEDDINGS
    if not vectors:
        assert said(answer, wire) == f"us heard: {heard}"
    came_back = ("restored", "answer_scan")
    expected = {kind: n for kind, n in counts.items() if not (vectors and kind in came_back)}
    assert attempt(gateway, answer).get("obligations", {}) == expected
    shown = ", ".join(f"{kind}={count}" for kind, count in expected.items()) or None
    if wire[1]:
        assert finals(answer)["obligations"] == shown
    else:
        assert answer.headers.get("x-situs-obligations") == shown


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_an_answer_is_no_longer_than_policy_says(scene, wire):
    gateway, fakes = scene
    answer = ask(gateway, wire, "max_output_tokens")
    if wire[0] == EMBEDDINGS:
        assert "max_tokens" not in sent(fakes["us"])
        return
    assert sent(fakes["us"])["max_tokens"] == 3
    assert said(answer, wire) == "us heard: Charge"


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_attachments_stay(scene, wire):
    gateway, fakes = scene
    text = "What is it?"
    picture: Any = PICTURE
    if wire[0] == CHAT:
        picture = [{"type": "image_url", "image_url": {"url": PICTURE}}]
    answer = ask(gateway, wire, "strip_attachments", text, picture)
    assert answer.status == 200, answer.body
    body = json.dumps(sent(fakes["us"]))
    assert PICTURE not in body
    assert "[attachment removed]" in body
    assert attempt(gateway, answer)["obligations"] == {"strip_attachments": 1}


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_what_must_stay_at_home_does_or_is_refused(scene, wire):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    answer = ask(gateway, wire, "require_owned", model="auto")
    assert answer.headers["x-situs-locus"] == "office"
    assert attempt(gateway, answer)["obligations"] == {"require_owned": 1}
    refused = ask(gateway, wire, "require_owned")
    assert (refused.status, refused.code) == (422, "no_deployment_fits")
    assert fakes["us"].traffic() == before


@pytest.mark.parametrize("wire", WIRES[:4], ids=str)
def test_an_answer_that_policy_stops_does_not_go_on(scene, wire):
    gateway, fakes = scene
    fakes["us"].set(mode="ok", piece_chars=4)
    before = len(fakes["office"].requests())
    answer = ask(gateway, wire, "scan_stop")
    assert CARD not in answer.body.decode()
    if wire[1] and answer.status == 200:  # something had gone on already
        *_, last = stage.events(answer)
        assert last["error"]["code"] == "answer_stopped"
    else:
        assert (answer.status, answer.code) == (403, "answer_stopped")
    ended = attempt(gateway, answer)
    assert (ended["end"], ended["obligations"]) == ("withheld", {"answer_scan": 1})
    assert len(fakes["office"].requests()) == before
    assert gateway.call("GET", "/readyz").json["usable"] != []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["tools", "schema"])
def test_what_is_json_stays_json_without_what_was_found(scene, kind, stream):
    gateway, fakes = scene
    fakes["us"].set(mode="ok", piece_chars=3)
    shape = {"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}}}
    asks: dict[str, Any] = {
        "tools": {
            "tools": [{"type": "function", "function": {"name": "pay", "parameters": shape}}]
        },
        "schema": {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "pay", "schema": shape},
            }
        },
    }
    answer = ask(gateway, (CHAT, stream), "scan_redact", f'Pay "{CARD}"\n', **asks[kind])
    documents = [e for e in stage.events(answer) if e != "[DONE]"] if stream else [answer.json]
    parts = [c["delta" if stream else "message"] for d in documents for c in d["choices"]]
    if kind == "tools":
        calls = [call for part in parts for call in part.get("tool_calls") or ()]
        source = "".join(call["function"]["arguments"] for call in calls)
    else:
        source = "".join(part.get("content") or "" for part in parts)
    assert json.loads(source) == {"text": 'Pay "[CARD]"\n', "n": 1}


# Not logged


def test_what_is_not_to_be_logged_is_in_the_receipt_and_nowhere_else(scene, collector):
    gateway, _ = scene
    quiet = ask(gateway, (CHAT, False), "no_log", "Hello.").headers["x-situs-request-id"]
    loud = ask(gateway, (CHAT, False), "redact", "Hello.").headers["x-situs-request-id"]
    gateway.outcome(quiet)
    deadline = time.monotonic() + 15
    while not any(s.attributes.get("situs.request_id") == loud for s in collector.spans):
        assert time.monotonic() < deadline, "no span"
        time.sleep(0.05)
    log = gateway.log.read_text()
    assert loud in log
    assert quiet not in log
    assert quiet not in str([s.attributes for s in collector.spans])
    used = gateway.call("GET", "/situs/v1/usage?by=tenant").json
    assert "(no_log)" in {row["group"] for row in used["rows"]}


# A person's word


def cli(gateway, *arguments):
    place = ("--data", str(gateway.data))
    done = subprocess.run(
        stage.command("approvals", *arguments, *place), capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def held(gateway, count=1, wait_s=15.0):
    """What waits, once so many do."""
    deadline = time.monotonic() + wait_s
    while len(found := gateway.call("GET", "/situs/v1/approvals").json["approvals"]) != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def word(gateway, approve):
    [one] = held(gateway)
    body = json.dumps({"approve": approve}).encode()
    return gateway.call("POST", f"/situs/v1/approvals/{one['id']}", body)


@pytest.fixture
def beside():
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_nothing_leaves_before_a_person_said_yes(scene, beside, wire):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    waiting = beside.submit(ask, gateway, wire, "hold_for_approval")
    [one] = held(gateway)
    assert fakes["us"].traffic() == before
    assert one["facts"]["findings"] == {"card": 1}
    assert CARD not in json.dumps(one)
    assert word(gateway, True).json == {"id": one["id"], "approved": True}
    answer = waiting.result()
    assert answer.status == 200
    assert said(answer, wire) in (None, f"us heard: {SAID}")
    assert attempt(gateway, answer)["obligations"] == {"hold_for_approval": 1}


def test_a_person_says_no(scene, beside):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    waiting = beside.submit(ask, gateway, (CHAT, True), "hold_for_approval")
    word(gateway, False)
    answer = waiting.result()
    assert (answer.status, answer.code) == (403, "not_approved")
    assert fakes["us"].traffic() == before


def test_on_the_command_line(scene, beside):
    gateway, _ = scene
    assert cli(gateway, "list") == (0, "Nothing waits for approval.\n")
    for verb, status in (("approve", 200), ("deny", 403)):
        waiting = beside.submit(ask, gateway, (CHAT, False), "hold_for_approval")
        [one] = held(gateway)
        assert one["id"] in cli(gateway, "list")[1].replace("\n", "")
        assert json.loads(cli(gateway, "list", "--json")[1])[0]["state"] == "waiting"
        assert cli(gateway, verb, one["id"], "--by", "ada")[0] == 0
        assert waiting.result().status == status
        approval = gateway.outcome(one["id"])["approval"]
        assert (approval["approved"], approval["by"]) == (verb == "approve", "ada")
        code, told = cli(gateway, "approve", one["id"])
        done = "approved" if verb == "approve" else "denied"
        assert (code, f"was {done} by ada at " in told) == (2, True)
        shown = subprocess.run(
            stage.command("decisions", "show", one["id"], "--data", str(gateway.data)),
            capture_output=True,
            text=True,
        )
        assert f"{done} by ada at 20" in shown.stdout
        [last] = [
            o
            for o in json.loads(cli(gateway, "list", "--all", "--json")[1])
            if o["id"] == one["id"]
        ]
        assert last["decided_by"] == "ada"


def test_no_answer_in_time_is_a_no(scene):
    gateway, _ = scene
    answer = ask(gateway, (CHAT, False), "short_hold")
    assert (answer.status, answer.code) == (403, "not_approved")
    assert held(gateway, 0) == []


def test_a_caller_that_leaves_no_longer_waits(scene):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    document = {"model": "us-llm", "messages": [{"role": "user", "content": "Hi."}]}
    headers = {"content-type": "application/json", "x-situs-data": "hold_for_approval"}
    connection.request("POST", CHAT, json.dumps(document), headers)
    [one] = held(gateway)
    connection.close()
    held(gateway, 0)
    assert word_for(gateway, one["id"]).status == 400
    assert gateway.outcome(one["id"])["status"] == 499
    assert fakes["us"].traffic() == before


def word_for(gateway, identifier):
    return gateway.call("POST", f"/situs/v1/approvals/{identifier}", b'{"approve": true}')


def test_how_many_wait_can_be_watched(scene, beside):
    gateway, _ = scene
    waiting = [beside.submit(ask, gateway, (CHAT, False), "hold_for_approval") for _ in range(2)]
    found = held(gateway, 2)
    deadline = time.monotonic() + 10
    while "situs_approvals_waiting 2" not in gateway.call("GET", "/metrics").body.decode():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for one in found:
        assert word_for(gateway, one["id"]).status == 200
    assert {one.result().status for one in waiting} == {200}


@pytest.mark.parametrize("body", [b"{}", b'{"approve": "yes"}', b'{"approve": true, "x": 1}', b"["])
def test_what_is_no_word_is_refused(scene, body):
    gateway, _ = scene
    answer = gateway.call("POST", "/situs/v1/approvals/req_1", body)
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_only_who_administers_may_say_and_any_worker_hears_it(tmp_path, beside):
    data = tmp_path / "data"
    keys = {
        name: create_key(data, Grants(name=name, scopes=(scope,)), time.time())
        for name, scope in (("app", Scope.INFERENCE), ("ops", Scope.ADMIN))
    }
    as_ = {name: {"authorization": f"Bearer {secret}"} for name, (_, secret) in keys.items()}
    with stage.fakes(tmp_path, "office", "us") as fakes:
        config = configured(tmp_path, fakes, server={"require_key": True})
        file = str(stage.write_config(tmp_path, config))
        serve = ["serve", "--config", file, "--workers", "2"]
        with stage.started(serve, data, tmp_path / "situs.log") as gateway:
            asked = {**as_["app"], "x-situs-data": "hold_for_approval"}
            waiting = [beside.submit(gateway.chat, model="us-llm", headers=asked) for _ in range(3)]
            until(lambda: len(waits(gateway, as_["ops"])) == 3)
            for one in waits(gateway, as_["ops"]):
                path = f"/situs/v1/approvals/{one['id']}"
                for key in (as_["app"], {}):
                    refused = gateway.call("POST", path, b'{"approve": true}', **key)
                    assert refused.status in (401, 403)
                said = gateway.call("POST", path, b'{"approve": true}', **as_["ops"])
                assert said.status == 200
            assert {one.result().status for one in waiting} == {200}
        told = json.loads(cli(gateway, "list", "--all", "--json")[1])
        assert {one["decided_by"] for one in told} == {keys["ops"][0].id}


def waits(gateway, key):
    return gateway.call("GET", "/situs/v1/approvals", **key).json["approvals"]


def until(what, wait_s=15.0):
    deadline = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_gateway_that_stops_tells_who_waits(tmp_path, beside):
    with stage.fakes(tmp_path, "office", "us") as fakes:
        config = configured(tmp_path, fakes, server={"drain_s": 0.1})
        with stage.running(tmp_path, config) as gateway:
            waiting = beside.submit(ask, gateway, (CHAT, True), "hold_for_approval")
            [one] = held(gateway)
            assert gateway.stop() == 0
            answer = waiting.result()
            assert (answer.status, answer.code) == (503, "draining")
            assert gateway.outcome(one["id"])["attempts"] == []
            assert fakes["us"].traffic() == (0, 0)
            assert cli(gateway, "list") == (0, "Nothing waits for approval.\n")


# What is told about it


def test_explain_says_what_is_owed_where(scene):
    gateway, _ = scene
    names = "redact,scan_stop,max_output_tokens,hold_for_approval"
    explain = ("explain", SAID, "--url", gateway.url)
    sets = [word for name in names.split(",") for word in ("--data-set", name)]
    done = run(*explain, *sets)
    for owed in ("redact card", "answer_scan card (stop)", "max_output_tokens (3)"):
        assert owed in " ".join(done.replace("\n", " ").split()), done
    told = json.loads(run(*explain, *sets, "--json"))
    for row in told["deployments"]:
        assert {one["kind"] for one in row["owed"]} == {
            *("redact", "answer_scan", "max_output_tokens", "hold_for_approval")
        }
    assert json.loads(run(*explain, "--json"))["deployments"][0]["owed"] == []


def test_decisions_show_what_was_done_how_often(scene):
    gateway, _ = scene
    answer = ask(gateway, (CHAT, False), "redact")
    request_id = answer.headers["x-situs-request-id"]
    gateway.outcome(request_id)
    assert "redact=1" in run("decisions", "show", request_id, "--data", str(gateway.data))


def run(*arguments):
    wide = {**os.environ, "COLUMNS": "400"}
    done = subprocess.run(
        stage.command(*arguments), capture_output=True, text=True, timeout=60, check=True, env=wide
    )
    return done.stdout


def test_the_doctor_says_how_many_wait(scene, beside):
    gateway, _ = scene
    config = str(gateway.data.parent / "situs.yaml")
    doctor = ("doctor", "--config", config, "--data", str(gateway.data), "--json")
    waiting = beside.submit(ask, gateway, (CHAT, False), "hold_for_approval")
    held(gateway)
    found = {one["feature"]: one["because"] for one in json.loads(run(*doctor))}
    assert found["approvals"].startswith("1 waiting")
    word(gateway, True)
    assert waiting.result().status == 200


def test_a_gateway_that_starts_again_has_nobody_waiting(tmp_path, beside):
    """Even if it was killed: who waited there is gone."""
    with stage.fakes(tmp_path, "office", "us") as fakes:
        config = configured(tmp_path, fakes)
        with stage.running(tmp_path, config) as gateway:
            waiting = beside.submit(ask, gateway, (CHAT, False), "hold_for_approval")
            [one] = held(gateway)
            for pid in (gateway.process.pid, *gateway.workers()):
                subprocess.run(["kill", "-9", str(pid)], check=True)
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                waiting.result()
        before = fakes["us"].traffic()
        with stage.running(tmp_path, config) as gateway:
            held(gateway, 0)
            assert word_for(gateway, one["id"]).status == 400
            assert fakes["us"].traffic() == before
