"""What is unknown, broken or down lets nothing leave a running gateway, and says so."""

from __future__ import annotations

import subprocess

import pytest
from tests.e2e import stage
from tests.e2e.test_reload import reload
from tests.unit.rego.test_bundle import EC, by_ec, packed, pem, signed

RULES = """package situs
import rego.v1
allow contains d.name if some d in input.deployments
deny contains {"deployment": d.name, "code": "not_here"} if {
    some d in input.deployments
    not d.locus.owned
}
"""
FILES = {"p.rego": RULES.encode(), ".manifest": b'{"revision": "one", "roots": [""]}'}


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as both:
        yield both


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def gateway(folder, fakes):
    """Its policy is a signed bundle."""
    (folder / "key.pem").write_text(pem(EC))
    (folder / "bundle.tar.gz").write_bytes(packed(by_ec(FILES)))
    bundle = {"path": "bundle.tar.gz", "key": "key.pem"}
    with stage.running(folder, stage.fleet(fakes, policy={"bundle": bundle})) as one:
        yield one


def sent(fakes):
    return [fake.traffic() for fake in fakes.values()]


@pytest.mark.parametrize(
    ("header", "value", "status", "code"),
    [
        ("x-situs-label", "secret", 400, "invalid_request"),
        ("x-situs-data", "rumours", 422, "data_not_found"),
        ("x-situs-criticality", "vital", 400, "invalid_request"),
        ("x-situs-max-cost", "nan", 400, "invalid_request"),
        ("x-situs-max-cost", "1e999", 400, "invalid_request"),
        ("x-situs-deadline", "-1", 400, "invalid_request"),
    ],
)
def test_a_header_that_says_nothing_known_is_refused(gateway, fakes, header, value, status, code):
    before = sent(fakes)
    answer = gateway.chat(headers={header: value})
    assert (answer.status, answer.code) == (status, code)
    assert sent(fakes) == before


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (lambda: packed(by_ec(FILES))[:-100], b"is no tar.gz archive"),
        (lambda: packed(FILES), b"is not signed"),
        (lambda: packed(signed(FILES, b"x" * 32, "HS256")), b"is not one of this key"),
        (lambda: packed({**by_ec(FILES), "p.rego": RULES.encode() + b"#"}), b"not what was signed"),
        (lambda: packed(by_ec({**FILES, "p.rego": RULES.encode()[:-9]})), b"p.rego"),
    ],
    ids=["half", "unsigned", "another_key", "changed", "broken"],
)
def test_after_a_bad_bundle_the_last_good_one_holds(gateway, folder, bundle, said):
    policy = gateway.chat().headers["x-situs-policy"]
    good = (folder / "bundle.tar.gz").read_bytes()
    (folder / "bundle.tar.gz").write_bytes(bundle())
    done = reload(gateway)
    (folder / "bundle.tar.gz").write_bytes(good)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    answer = gateway.chat()
    assert (answer.headers["x-situs-policy"], answer.headers["x-situs-locus"]) == (policy, "office")


def test_a_session_store_that_cannot_be_read_lets_nothing_of_a_session_leave(gateway, fakes):
    (gateway.data / "sessions.db").write_bytes(b"not a database" * 1000)
    before = sent(fakes)
    answer = gateway.chat(headers={"x-situs-session": "s"})
    assert (answer.status, answer.code) == (503, "cannot_record")
    assert sent(fakes) == before
    assert gateway.chat().status == 200


def test_without_its_policy_a_gateway_does_not_start(folder, fakes, tmp_path):
    config = stage.fleet(fakes, policy={"paths": ["missing.rego"]})
    file = stage.write_config(tmp_path, config)
    command = stage.command("serve", "--config", str(file), "--data", str(tmp_path / "data"))
    done = subprocess.run([*command, "--port", "0"], capture_output=True, timeout=60)
    assert done.returncode != 0
    assert b"missing.rego" in done.stderr
