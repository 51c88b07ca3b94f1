"""API keys at a running gateway: who may call, what is recorded of it, and where a key never is."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import openai
import pytest
from tests.e2e import stage

SHARED = ("/v1/models", "/situs/v1/fleet", "/metrics", "/readyz")


def keys(data, *arguments):
    done = subprocess.run(
        stage.command("keys", *arguments, "--json", "--data", str(data)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def until(what, wait_s=15.0):
    """The gateway looks at the file about once a second."""
    deadline = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Two workers that serve nobody without a key, and keys of each kind."""
    directory = tmp_path_factory.mktemp("keys")
    data = directory / "data"
    made = {
        "ci": keys(data, "create", "ci", "--tenant", "research", "--group", "batch"),
        "ops": keys(data, "create", "ops", "--scope", "admin"),
        "slow": keys(data, "create", "slow", "--rpm", "5"),
    }
    with stage.fakes(directory, "office", "us") as fakes:
        config = stage.fleet(fakes, server={"require_key": True})
        file = str(stage.write_config(directory, config))
        serve = ["serve", "--config", file, "--workers", "2"]
        with stage.started(serve, data, directory / "situs.log") as gateway:
            yield gateway, made, fakes


def client(gateway, key):
    return openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)


def ask(gateway, key, text="Hello there."):
    with client(gateway, key) as asking:
        return asking.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": text}]
        )


def test_who_asks_stands_in_the_receipt_and_the_key_does_not(scene):
    gateway, made, _ = scene
    ci = made["ci"]
    answer = gateway.chat(headers=bearer(ci["key"]))
    assert answer.status == 200
    request_id = answer.headers["x-situs-request-id"]
    (receipt,) = [line for line in gateway.lines("decision") if line["id"] == request_id]
    asked = receipt["request"]
    assert (asked["tenant"], asked["key"]) == ("research", ci["id"])


def test_without_a_key_the_openai_client_is_told(scene):
    gateway, made, _ = scene
    with pytest.raises(openai.AuthenticationError):
        ask(gateway, "-")
    with pytest.raises(openai.PermissionDeniedError):
        ask(gateway, made["ops"]["key"])
    assert ask(gateway, made["ci"]["key"]).choices


def test_the_probes_need_no_key_and_tell_a_stranger_no_names(scene):
    gateway, made, _ = scene
    assert gateway.call("GET", "/livez").status == 200
    assert gateway.call("GET", "/readyz").json == {"status": "ready"}
    assert gateway.call("GET", "/readyz", **bearer(made["ci"]["key"])).json == {"status": "ready"}
    told = gateway.call("GET", "/readyz", **bearer(made["ops"]["key"])).json
    assert sorted(told["usable"]) == ["office-llm", "us-llm"]


def test_the_admin_paths_are_for_admin_keys(scene):
    gateway, made, _ = scene
    for path in ("/situs/v1/fleet", "/metrics"):
        assert gateway.call("GET", path).code == "missing_key"
        assert gateway.call("GET", path, **bearer(made["ci"]["key"])).code == "scope_missing"
        assert gateway.call("GET", path, **bearer(made["ops"]["key"])).status == 200
    explained = gateway.chat(path="/situs/v1/explain", headers=bearer(made["ci"]["key"]))
    assert explained.status == 200


def test_explain_asks_with_the_key_in_the_environment(scene):
    gateway, made, _ = scene
    asked = stage.command("explain", "Hello", "--url", gateway.url, "--json")
    codes = []
    for key in (None, made["ci"]["key"]):
        env = {**os.environ, **({} if key is None else {"SITUS_API_KEY": key})}
        codes.append(subprocess.run(asked, capture_output=True, timeout=60, env=env).returncode)
    assert codes == [2, 0]


def test_a_limit_holds_over_all_workers(scene):
    gateway, made, _ = scene
    slow = bearer(made["slow"]["key"])
    answers = [gateway.call("GET", "/v1/models", **slow) for _ in range(12)]
    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 7
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.code == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    with pytest.raises(openai.RateLimitError):
        ask(gateway, made["slow"]["key"])


def test_keys_come_and_go_while_the_gateway_runs(scene):
    gateway, _, _ = scene
    made = keys(gateway.data, "create", "new")

    def all_say(status):
        answers = [gateway.call("GET", "/v1/models", **bearer(made["key"])) for _ in range(8)]
        return all(answer.status == status for answer in answers)

    until(lambda: all_say(200))
    keys(gateway.data, "revoke", made["id"])
    until(lambda: all_say(401))


def test_a_damaged_table_changes_nothing_while_the_gateway_runs(scene):
    gateway, made, _ = scene
    path = gateway.data / "keys" / "api_keys.json"
    good = path.read_bytes()
    path.write_bytes(b"{")
    try:
        until(lambda: "is no table of API keys" in gateway.log.read_text())
        assert gateway.chat(headers=bearer(made["ci"]["key"])).status == 200
    finally:
        path.write_bytes(good)


def processes():
    """What any user of this machine sees of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (entry / "cmdline").read_bytes()
            except OSError:
                continue


def test_a_key_is_nowhere_but_with_who_holds_it(scene):
    gateway, made, fakes = scene
    key = made["ci"]["key"]
    said = [
        repr(gateway.call("GET", path, **headers))
        for path in (*SHARED, "/nowhere")
        for headers in (bearer(key), {"x_api_key": key}, {**bearer(key), "x_api_key": "other"})
    ]
    said.append(repr(gateway.chat(headers=bearer(key))))
    said.append(repr(gateway.chat(headers=bearer(key), temperature="hot")))
    said.append(repr(gateway.chat(headers={**bearer(key), "x-situs-label": "nonsense"})))
    secret = key.rpartition("_")[2]
    assert secret not in "".join(said)
    assert secret not in gateway.log.read_text()
    assert not any(secret.encode() in line for line in processes())
    for folder, _, names in os.walk(gateway.data):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
    for fake in fakes.values():
        assert secret not in repr(fake.traffic())


def test_no_key_of_the_caller_goes_upstream(scene):
    gateway, made, fakes = scene
    gateway.chat(headers=bearer(made["ci"]["key"]))
    sent = [request for fake in fakes.values() for request in fake.requests()]
    assert sent
    for request in sent:
        names = {name.lower() for name in request["headers"]}
        assert not names & {"authorization", "x-api-key"}


def test_beyond_loopback_takes_a_key_and_warns(tmp_path):
    """`0.0.0.0` is reached over loopback here; nothing else may call without a key there."""
    data = tmp_path / "data"
    with stage.fakes(tmp_path, "office") as fakes:
        config = stage.fleet(fakes, server={"host": "0.0.0.0"})
        file = str(stage.write_config(tmp_path, config))
        refused = subprocess.run(
            stage.command("serve", "--config", file, "--port", "0", "--data", str(data)),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert refused.returncode == 2
        assert "situs keys create" in refused.stderr
        made = keys(data, "create", "ci")
        with stage.started(["serve", "--config", file], data, tmp_path / "log") as gateway:
            assert "TLS" in gateway.log.read_text()
            assert gateway.chat().code == "missing_key"
            assert gateway.chat(headers=bearer(made["key"])).status == 200
