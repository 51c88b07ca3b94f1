"""What a third party gets of a running gateway: whole receipts, proofs, anchors, another key."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.e2e import stage
from tests.fakes.openai_server import fake_process
from tests.unit.backends.upstream import identity

CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The office's server speaks TLS; the record is synced before dispatch and anchored."""
    directory = tmp_path_factory.mktemp("receipts")
    known = identity(directory)
    with (
        pytest.MonkeyPatch.context() as patch,
        fake_process(directory, "office", certified=directory) as office,
        fake_process(directory, "us") as us,
    ):
        patch.setenv("SSL_CERT_FILE", str(directory / "cert.pem"))
        url = {"url": f"https://127.0.0.1:{office.port}/v1"}
        config = stage.fleet(
            {"office": office, "us": us},
            deployments={"office-llm": {"endpoint": url}},
            receipts={"sync": "before_dispatch", "anchor": {"to": "anchors.jsonl"}},
            data={"handbook": {"label": "internal", "jurisdiction": "AU", "loci": ["office"]}},
        )
        with stage.running(directory, config) as gateway:
            yield gateway, known, directory


@pytest.fixture
def gateway(scene):
    return scene[0]


def situs(*arguments, code=0):
    command = stage.command("receipts", *map(str, arguments))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def recorded(gateway, response):
    """The decision and the outcome of a request, and the reference that its caller was given."""
    [decision] = [
        line
        for line in gateway.lines("decision")
        if line["id"] == response.headers["x-situs-request-id"]
    ]
    assert response.headers["x-situs-receipt"] == f"{decision['chain']}:{decision['seq']}"
    return decision, gateway.outcome(decision["id"]), response.headers["x-situs-receipt"]


def test_a_receipt_says_who_was_reached_over_tls(scene):
    gateway, known, _ = scene
    response = gateway.chat(f"My card is {CARD}.")
    assert response.status == 200
    decision, outcome, _ = recorded(gateway, response)
    [attempt] = outcome["attempts"]
    assert attempt["peer"]["tls_sha256"] == known.sha256
    assert attempt["peer"]["address"] == "127.0.0.1"
    assert attempt["deployment"] == "office-llm"
    assert [attempt[fact] for fact in ("locus", "operator", "jurisdiction")] == [
        "office",
        "office",
        "AU",
    ]
    assert (attempt["model"], attempt["weights"]) == ("office-model", None)
    assert (attempt["end"], attempt["status"]) == ("complete", 200)
    assert "obligations" not in attempt
    assert attempt["bytes_out"] > 0
    assert attempt["bytes_in"] > 0
    assert outcome["cost"] > 0
    assert outcome["usage"]["prompt_tokens"] > 0
    assert decision["policy"]["declassify"] is None
    assert decision["policy"]["obligations"] == []
    assert decision["analysis"]["label"] == "confidential"
    assert {e["code"] for e in decision["policy"]["exclusions"]} != set()


def test_a_receipt_has_the_sessions_label_and_the_data_sets_by_name(gateway):
    session = {"x-situs-session": "a name that says something", "x-situs-data": "handbook"}
    labels = []
    for text in ("Hello.", f"My card is {CARD}.", "Hello again."):
        decision, _, _ = recorded(gateway, gateway.chat(text, headers=session))
        assert decision["analysis"]["data"] == ["handbook"]
        facts = decision["request"]
        labels.append((facts["session"]["before"], facts["session"]["after"]))
        assert "says something" not in json.dumps(decision)
    assert labels == [
        ("public", "internal"),
        ("internal", "confidential"),
        ("confidential", "confidential"),
    ]
    assert "session" not in recorded(gateway, gateway.chat("Hello."))[0]["request"]


def test_a_client_has_its_receipt_proved_and_checks_it_with_the_public_key_alone(scene, tmp_path):
    gateway, _, _ = scene
    decision, _, ref = recorded(gateway, gateway.chat("Is this mine?"))
    data, proof = ("--data", gateway.data), tmp_path / "proof.json"
    proof.write_text(_soon(lambda: situs("prove", ref, *data)))
    shown = situs("check", proof, "--key", gateway.data / "keys" / "receipts.pub")
    assert decision["id"] in shown
    assert "proved: this line is in the record" in shown
    other = gateway.data.parent / "other.pem"
    _public_key(other)
    assert "NOT PROVED" in situs("check", proof, "--key", other, code=1)
    assert "sound" in situs("verify", *data, "--anchor", proof)


def test_the_newest_checkpoints_are_anchored_from_the_start(scene):
    gateway, _, directory = scene
    anchors = directory / "anchors.jsonl"
    _soon(lambda: anchors.read_bytes().index(b"\n"))
    situs("anchor", "--to", anchors, "--data", gateway.data)
    chains = {line["chain"] for line in gateway.lines()}
    lines = map(json.loads, anchors.read_bytes().splitlines())
    told = [json.loads(head) for line in lines for head in line["heads"]]
    assert {head["chain"] for head in told} == chains
    shown = situs("verify", "--data", gateway.data, "--anchor", anchors)
    assert "held elsewhere: " in shown
    age = gateway.call("GET", "/metrics").body.decode().split("anchor_age_seconds ")[-1]
    assert 0 <= float(age.split()[0]) < 60


def test_a_running_gateway_takes_a_new_key_at_reload_and_the_first_public_key_still_checks(
    scene, tmp_path
):
    gateway, _, _ = scene
    keys, data = gateway.data / "keys", ("--data", gateway.data)
    first = tmp_path / "first.pem"
    first.write_bytes((keys / "receipts.pub").read_bytes())
    gateway.chat("Before.")
    assert "situs reload" in situs("rotate-key", *data)
    reload = stage.command("reload", *map(str, data))
    told = [subprocess.run(reload, check=True, capture_output=True, text=True).stdout for _ in "12"]
    assert ["signs from now on" in one for one in told] == [True, False]
    assert "nothing changed" in told[1]
    old, ref = {line["key"] for line in gateway.lines("open")}, ""

    def turned():
        nonlocal ref
        ref = gateway.chat("After.").headers["x-situs-receipt"]
        chain = ref.partition(":")[0]
        keys_of = [line["key"] for line in gateway.lines("open") if line["chain"] == chain]
        assert len(set(keys_of)) == 2
        assert keys_of[0] in old

    _soon(turned)
    proof = tmp_path / "proof.json"
    proof.write_text(_soon(lambda: situs("prove", ref, *data)))
    assert "proved" in situs("check", proof, "--key", first)
    shown = situs("verify", *data, "--key", first)
    assert "and those that they name: " in shown
    assert "sound" in shown
    assert "NOT SOUND" in situs("verify", *data, "--key", keys / "receipts.pub", code=1)


def _soon(wanted, limit_s=20.0):
    """What it gives, once it does: receipts are signed a moment after they are written."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return wanted()
        except (AssertionError, OSError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _public_key(path):
    public = Ed25519PrivateKey.generate().public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
