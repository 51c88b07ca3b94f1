"""A running gateway takes its policy from a bundle: a new one holds, a bad one does not."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.e2e import stage
from tests.unit.rego.test_bundle import packed, pem, signed

KEY = ec.generate_private_key(ec.SECP256R1())
REGO = """package situs
import rego.v1
allow contains d.name if { some d in input.deployments; d.locus.kind in data.where }
deny contains {"deployment": d.name, "code": "elsewhere"} if {
	some d in input.deployments
	not d.locus.kind in data.where
}
"""


def bundle(revision: str, kind: str, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    files = {
        "p.rego": REGO.encode(),
        "data.json": json.dumps({"where": [kind]}).encode(),
        ".manifest": json.dumps({"revision": revision}).encode(),
    }
    return packed(signed(files, key, "ES256"))


class Served(msgspec.Struct):
    """`body` is what is answered now; None: 503."""

    url: str
    body: bytes | None
    tokens: list[str | None] = []


@contextlib.contextmanager
def serving(body: bytes) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.tokens.append(self.headers.get("authorization"))
            said = served.body
            self.send_response(503 if said is None else 200)
            self.send_header("content-length", str(len(said or b"")))
            self.end_headers()
            self.wfile.write(said or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Served(f"http://127.0.0.1:{server.server_address[1]}/b.tar.gz", body)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as both:
        yield both


def chose(gateway: stage.Gateway) -> str | None:
    deployment: str | None = gateway.chat().headers.get("x-situs-deployment")
    return deployment


def until(gateway: stage.Gateway, wanted: str) -> None:
    deadline = time.monotonic() + 30
    while chose(gateway) != wanted:
        assert time.monotonic() < deadline, gateway.log.read_text()
        time.sleep(0.1)


def revision(gateway: stage.Gateway) -> str:
    said: str = gateway.call("GET", "/situs/v1/status").json["revision"]
    return said


def told(gateway: stage.Gateway, wanted: str) -> None:
    """The status is as of the last second."""
    deadline = time.monotonic() + 30
    while revision(gateway) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_bundle_over_http_holds_changes_and_outlives_its_server(tmp_path, fakes):
    (tmp_path / "key.pem").write_text(pem(KEY))
    with serving(bundle("one", "on_prem")) as served:
        source = {"url": served.url, "key": "key.pem", "poll_s": 1}
        config = stage.fleet(fakes, policy={"bundle": source})
        with stage.running(tmp_path, config) as gateway:
            assert (chose(gateway), revision(gateway)) == ("office-llm", "one")
            served.body = bundle("two", "public_cloud")
            until(gateway, "us-llm")
            told(gateway, "two")
            stranger = ec.generate_private_key(ec.SECP256R1())
            served.body = bundle("three", "on_prem", stranger)
            asked = len(served.tokens)
            while len(served.tokens) < asked + 2:
                time.sleep(0.05)
            assert (chose(gateway), revision(gateway)) == ("us-llm", "two")
            assert "the signature is not one of this key" in gateway.log.read_text()
        served.body = None
        with stage.running(tmp_path, config) as gateway:
            assert (chose(gateway), revision(gateway)) == ("us-llm", "two")
            assert "answered 503" in gateway.log.read_text()


def test_a_bundle_on_disk_is_looked_at_again(tmp_path, fakes):
    (tmp_path / "key.pem").write_text(pem(KEY))
    (tmp_path / "b.tar.gz").write_bytes(bundle("one", "on_prem"))
    config = stage.fleet(
        fakes, policy={"bundle": {"path": "b.tar.gz", "key": "key.pem", "poll_s": 1}}
    )
    with stage.running(tmp_path, config) as gateway:
        assert chose(gateway) == "office-llm"
        (tmp_path / "new").write_bytes(bundle("two", "public_cloud"))
        (tmp_path / "new").rename(tmp_path / "b.tar.gz")
        until(gateway, "us-llm")


def test_without_any_good_bundle_nothing_starts(tmp_path, fakes):
    (tmp_path / "key.pem").write_text(pem(KEY))
    stranger = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "b.tar.gz").write_bytes(bundle("one", "on_prem", stranger))
    source = {"path": "b.tar.gz", "key": "key.pem"}
    config = stage.fleet(fakes, policy={"bundle": source})
    file = stage.write_config(tmp_path, config)
    done = subprocess.run(
        stage.command("serve", "--config", str(file), "--data", str(tmp_path / "d"), "--port", "0"),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert b"the signature is not one of this key" in done.stderr
