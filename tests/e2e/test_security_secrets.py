"""Secrets stay with who holds them: files, process lists, environments, what commands say."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import subprocess
from pathlib import Path

import pytest
from tests.e2e import stage
from tests.e2e.test_keys import keys
from tests.fakes.openai_server import fake_process

from situs.app.link import Load, RuntimeState
from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.backends.openai_compatible import Endpoint
from situs.config.load import load
from situs.core.fleet import Health

NAMES = ("FROM_ENV", "FROM_FILE", "UNRELATED")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A gateway whose umask hides nothing, with two upstream keys, after requests and a reload."""
    directory = tmp_path_factory.mktemp("secrets")
    made = {name: secrets.token_hex(16) for name in NAMES}
    file = directory / "key"
    file.write_text(made["FROM_FILE"])
    file.chmod(0o600)
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(pytest.MonkeyPatch.context())
        env.setenv("UPSTREAM_KEY", made["FROM_ENV"])
        env.setenv("CLOUD_SECRET", made["UNRELATED"])
        fakes = {
            name: stack.enter_context(fake_process(directory, name, key=made[source]))
            for name, source in (("office", "FROM_ENV"), ("us", "FROM_FILE"))
        }
        config = stage.fleet(fakes, telemetry={"log": {"level": "debug"}})
        config["deployments"]["office-llm"]["endpoint"]["key"] = "env:UPSTREAM_KEY"
        config["deployments"]["us-llm"]["endpoint"]["key"] = f"file:{file}"
        before = os.umask(0)
        stack.callback(os.umask, before)
        gateway = stack.enter_context(stage.running(directory, config))
        keys(gateway.data, "create", "ci")
        for model in ("office-llm", "us-llm"):
            assert gateway.chat(model=model).status == 200
        yield gateway, made


def command(gateway, *arguments):
    done = subprocess.run(
        stage.command(*arguments, "--data", str(gateway.data)), capture_output=True, timeout=60
    )
    return done.stdout + done.stderr


def test_no_file_is_for_everybody_and_the_secret_ones_are_for_the_owner(scene):
    gateway, _ = scene
    found = {
        path.relative_to(gateway.data).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in gateway.data.rglob("*")
    }
    assert not {name: oct(mode) for name, mode in found.items() if mode & 0o027}
    owners = [
        name
        for name in found
        if name.startswith("keys") or name.endswith((".salts", ".sock", ".key"))
    ]
    assert {"admin.sock", "keys", "keys/receipts.key", "keys/api_keys.json"} <= set(owners)
    assert any(name.endswith(".salts") for name in owners)
    public = {"keys/receipts.pub"}
    assert not [name for name in owners if found[name] & 0o077 and name not in public]


def test_no_secret_is_in_a_file_a_log_or_an_answer(scene):
    gateway, made = scene
    config = str(gateway.data.parent / "situs.yaml")
    said = [
        gateway.log.read_bytes(),
        *(path.read_bytes() for path in gateway.data.rglob("*") if path.is_file()),
        *(gateway.call("GET", path).body for path in ("/situs/v1/status", "/situs/v1/fleet")),
        command(gateway, "reload"),
        command(gateway, "doctor", "--config", config),
        subprocess.run(stage.command("config", "check", config), capture_output=True).stdout,
    ]
    for name, secret in made.items():
        assert not [part for part in said if secret.encode() in part], name


def test_no_secret_is_in_the_process_list(scene):
    gateway, made = scene
    for pid in (gateway.process.pid, *gateway.workers()):
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert line
        assert not [name for name, secret in made.items() if secret.encode() in line]


def test_a_worker_has_no_secret_in_its_environment(scene):
    gateway, made = scene
    [worker] = gateway.workers()
    environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"PATH=" in environment
    assert not [name for name, secret in made.items() if secret.encode() in environment]


def test_no_process_dumps_its_memory(scene):
    gateway, _ = scene
    for pid in (gateway.process.pid, *gateway.workers()):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        [core] = [line.split() for line in limits if line.startswith("Max core file size")]
        assert core[4] in ("0", "1")


def test_no_value_that_holds_secrets_shows_them(tmp_path, monkeypatch):
    secret = secrets.token_hex(16)
    monkeypatch.setenv("UPSTREAM_KEY", secret)
    endpoint = {"url": "http://127.0.0.1:9/v1", "key": "env:UPSTREAM_KEY"}
    file = stage.write_config(tmp_path, minimal(endpoint))
    plan = load_plan(Setting(load(file), tmp_path, tmp_path), 0, {})
    assert plan.secrets == {"d": secret}
    state = RuntimeState(Health.HEALTHY, ("127.0.0.1", 9), secret)
    shown = [plan, Load(plan), state, {"d": state}, Endpoint(lambda: "", "m", lambda: secret)]
    for value in shown:
        assert secret not in f"{value!r} {value!s} {value}"


def minimal(endpoint):
    return {
        "version": 1,
        "loci": {"l": {"kind": "public_cloud", "jurisdiction": "US", "owned": False}},
        "models": {"m": {"capability": "small", "context_tokens": 1000}},
        "deployments": {"d": {"model": "m", "locus": "l", "endpoint": endpoint}},
    }


LITERALS = {
    "a key in place of a reference": lambda secret: {"key": secret},
    "a key with a wrong kind": lambda secret: {"key": f"literal:{secret}"},
    "a reference with more behind it": lambda secret: {"key": f"env:NOT-{secret}"},
    "a key in the URL": lambda secret: {"url": f"https://x:{secret}@example.org/v1"},
    "a key in the query": lambda secret: {"url": f"https://example.org/v1?key={secret}"},
    "a key of a wrong type": lambda secret: {"key": [secret]},
    "a key under an unknown name": lambda secret: {"api_key": secret},
}


@pytest.mark.parametrize("case", LITERALS)
def test_a_secret_that_stands_in_the_configuration_is_refused_and_not_quoted(tmp_path, case):
    secret = secrets.token_hex(16)
    endpoint = {"url": "https://example.org/v1", **LITERALS[case](secret)}
    file = str(stage.write_config(tmp_path, minimal(endpoint)))
    data = ("--data", str(tmp_path / "data"))
    for arguments in (
        ("config", "check", file),
        ("serve", "--config", file, "--port", "0", *data),
        ("doctor", "--config", file, *data),
    ):
        done = subprocess.run(stage.command(*arguments), capture_output=True, timeout=60)
        assert done.returncode != 0
        assert b"endpoint" in done.stdout + done.stderr
        assert secret.encode() not in done.stdout + done.stderr
