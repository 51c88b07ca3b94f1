"""A bundle that is fetched: kept when it is good, and only then."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.unit.backends.upstream import Peer, Script, serving
from tests.unit.config.test_policy_section import config_of
from tests.unit.rego.test_bundle import EC, FILES, RSA, by_ec, packed, pem, signed

from situs.app.bundle import newest_bundle
from situs.app.setting import Setting
from situs.config.policy_source import policy_checked
from situs.dispatch.egress import Connector, Permit

GOOD = packed(by_ec())


def answering(said: bytes) -> Script:
    """To a GET, which has no length."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.write(said)

    return script


def answer(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


async def looked(folder: Path, script: Script, **told: Any) -> str | None:
    """What is found at a server with this script; the data directory is `data` in the folder."""
    async with serving(script) as upstream:
        url = f"http://127.0.0.1:{upstream.port}/b.tar.gz"
        (folder / "k.pem").write_text(pem(EC))
        config = config_of({"bundle": {"url": url, "key": "k.pem", **told}})
        place = ("127.0.0.1", upstream.port)
        dial = Connector([Permit("policy", lambda: place, owned=True)]).dial
        return await newest_bundle(Setting(config, folder, folder / "data"), dial)


def kept(folder: Path) -> bytes | None:
    file = folder / "data" / "policy" / "bundle.tar.gz"
    return file.read_bytes() if file.exists() else None


def test_a_good_bundle_is_kept_for_its_owner_alone(tmp_path):
    found = asyncio.run(looked(tmp_path, answering(answer(GOOD))))
    assert found == hashlib.sha256(GOOD).hexdigest()
    assert kept(tmp_path) == GOOD
    folder = tmp_path / "data" / "policy"
    assert folder.stat().st_mode & 0o077 == 0
    assert [file.name for file in folder.iterdir()] == ["bundle.tar.gz"]


WRONG: dict[str, tuple[Script, str]] = {
    "a redirect": (
        answering(answer(GOOD, "302 Found", "location: http://127.0.0.1:1/")),
        "answered 302",
    ),
    "not there": (answering(answer(b"", "404 No")), "answered 404"),
    "half of it": (answering(answer(GOOD)[:-9]), "cannot be fetched"),
    "no HTTP": (answering(b"hello\r\n\r\n"), "cannot be fetched"),
    "no archive": (answering(answer(b"<html>")), "is no tar.gz archive"),
    "not signed": (answering(answer(packed(FILES))), "is not signed"),
    "another's signature": (
        answering(answer(packed(signed(FILES, RSA, "RS256")))),
        "is not one of this key",
    ),
    "a policy with problems": (
        answering(answer(packed(by_ec({"p.rego": b"package situs\nallow := 1\n"})))),
        "there is no rule `deny`",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_may_not_hold_leaves_the_last_good_one_and_is_logged(tmp_path, caplog, name):
    script, said = WRONG[name]
    asyncio.run(looked(tmp_path, answering(answer(GOOD))))
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(looked(tmp_path, script)) is None
    assert said in caplog.text
    assert "the policy stays as it was" in caplog.text
    assert kept(tmp_path) == GOOD


def test_what_is_not_permitted_is_not_asked(tmp_path, caplog):
    async def run() -> tuple[str | None, int]:
        async with serving(answering(answer(GOOD))) as upstream:
            url = f"http://127.0.0.1:{upstream.port}/b.tar.gz"
            config = config_of({"bundle": {"url": url, "key": "k.pem"}})
            setting = Setting(config, tmp_path, tmp_path / "data")
            return await newest_bundle(setting, Connector().dial), len(upstream.peers)

    assert asyncio.run(run()) == (None, 0)
    assert "cannot be fetched" in caplog.text


def test_the_token_is_sent_and_a_missing_one_is_said(tmp_path, caplog, monkeypatch):
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        await peer.write(answer(GOOD))

    told = {"token": "env:SITUS_TEST_BUNDLE_TOKEN"}
    assert asyncio.run(looked(tmp_path, script, **told)) is None
    assert "SITUS_TEST_BUNDLE_TOKEN" in caplog.text
    monkeypatch.setenv("SITUS_TEST_BUNDLE_TOKEN", "t-1")
    assert asyncio.run(looked(tmp_path, script, **told)) is not None
    assert b"GET /b.tar.gz HTTP/1.1\r\n" in heads[0]
    assert b"authorization: Bearer t-1\r\n" in heads[0]


def test_one_on_disk_is_looked_at_and_not_judged_here(tmp_path):
    config = config_of({"bundle": {"path": "b.tar.gz"}})
    setting = Setting(config, tmp_path, tmp_path / "data")
    assert asyncio.run(newest_bundle(setting, Connector().dial)) is None
    (tmp_path / "b.tar.gz").write_bytes(packed(FILES))
    one = asyncio.run(newest_bundle(setting, Connector().dial))
    (tmp_path / "b.tar.gz").write_bytes(packed({**FILES, "data.json": b"{}"}))
    assert one != asyncio.run(newest_bundle(setting, Connector().dial))
    assert policy_checked(config, tmp_path, tmp_path).source.revision == "rev-7"


def test_without_a_bundle_there_is_none(tmp_path):
    setting = Setting(config_of({}), tmp_path, tmp_path)
    assert asyncio.run(newest_bundle(setting, Connector().dial)) is None
