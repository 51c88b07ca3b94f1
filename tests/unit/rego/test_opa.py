"""A remote OPA: its verdict, and each way in which it fails to give one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests import make
from tests.unit.backends.upstream import Peer, Script, Upstream, answering, pool_of, serving

from situs.backends.opa import OpaData
from situs.core.decision import PolicyDecision
from situs.core.label import Label
from situs.policy import judge
from situs.policy.input import Facts
from situs.rego.opa import RemotePolicy, awaited

FLEET = make.view(make.deployment("a"), make.deployment("b"))
FACTS = Facts(make.request(), make.analysis(), make.snapshot(FLEET, awaited("digest")), 0.0)
VERDICT = {"allow": ["a", "b"], "deny": [{"deployment": "b", "code": "because"}]}


def answer(said: Any, status: str = "200 OK") -> bytes:
    body = said if isinstance(said, bytes) else msgspec.json.encode(said)
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def judged(port: int, deadline_s: float = 5.0, **told: Any) -> PolicyDecision:
    pool = pool_of("127.0.0.1", port)
    try:
        return await RemotePolicy(
            OpaData(pool, "opa", "/v1/data/situs", **told), "opa", deadline_s
        ).verdict(FACTS)
    finally:
        pool.close()


def decided(script: Script, deadline_s: float = 5.0) -> PolicyDecision:
    async def run() -> PolicyDecision:
        async with serving(script) as upstream:
            return await judged(upstream.port, deadline_s)

    return asyncio.run(run())


def test_a_verdict_is_believed():
    decision = decided(answering(answer({"result": VERDICT})))
    assert decision.error is None
    assert decision.allowed == ("a",)
    assert [(one.deployment, one.code) for one in decision.exclusions] == [("b", "because")]


def test_helper_rules_of_the_package_are_not_looked_at():
    said = {**VERDICT, "confidential": True, "obligations": [{"kind": "no_such_thing"}]}
    decision = decided(answering(answer({"result": {**said, "declassify": ["public"]}})))
    codes = {one.code for one in decision.exclusions}
    assert (decision.error, decision.allowed) == (None, ())
    assert codes == {"because", "obligation_unsupported:no_such_thing"}
    assert decision.declassify is Label.PUBLIC


FAILURES: dict[str, tuple[Script, str]] = {
    "undefined": (answering(answer({})), "verdict_undefined"),
    "null": (answering(answer({"result": None})), "verdict_malformed"),
    "true": (answering(answer({"result": True})), "verdict_malformed"),
    "no deny": (answering(answer({"result": {"allow": ["a"]}})), "verdict_malformed"),
    "no JSON": (answering(answer(b"<html>")), "verdict_malformed"),
    "an empty body": (answering(answer(b"")), "verdict_malformed"),
    "deep JSON": (answering(answer(b"[" * 100_000)), "verdict_malformed"),
    "no text": (answering(answer(b'{"result": "\xff"}')), "verdict_malformed"),
    "another fleet": (
        answering(answer({"result": {**VERDICT, "allow": ["z"]}})),
        "unknown_deployment",
    ),
    "an error": (answering(answer({"code": "internal_error"}, "500 No")), "engine_status"),
    "a refusal": (answering(answer({"result": VERDICT}, "401 No")), "engine_status"),
    "a redirect": (answering(answer({"result": VERDICT}, "307 Elsewhere")), "engine_status"),
    "a status that says all is well": (
        answering(answer({"result": VERDICT}, "204 No Content")),
        "engine_status",
    ),
    "garbage": (answering(b"SSH-2.0-x\r\n\r\n", then="close"), "engine_down"),
    "half an answer": (answering(answer({"result": VERDICT})[:-5], then="close"), "engine_down"),
    "a reset": (answering(then="reset"), "engine_down"),
    "an endless body": (
        answering(answer(b" " * (17 * 1024 * 1024))),
        "engine_down",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_no_verdict_denies_everything_and_says_why(name):
    script, error = FAILURES[name]
    decision = decided(script)
    assert (decision.allowed, decision.obligations, decision.error) == ((), (), error)
    assert [(one.deployment, one.code) for one in decision.exclusions] == [
        ("a", error),
        ("b", error),
    ]


def test_silence_denies_at_the_deadline_and_the_connection_is_dropped():
    async def run() -> tuple[PolicyDecision, bool]:
        async with serving(answering()) as upstream:
            decision = await judged(upstream.port, deadline_s=0.05)
            await asyncio.wait_for(upstream.peers[0].left.wait(), 5)
            return decision, upstream.peers[0].left.is_set()

    decision, left = asyncio.run(run())
    assert (decision.error, decision.allowed, left) == ("engine_deadline", (), True)


def test_a_server_that_is_not_there_denies():
    async def run() -> PolicyDecision:
        async with serving(answering()) as upstream:
            port = upstream.port
        return await judged(port)

    assert asyncio.run(run()).error == "engine_down"


def test_whatever_else_goes_wrong_denies():
    async def broken(_: bytes) -> tuple[int, bytes]:
        raise ZeroDivisionError

    decision = asyncio.run(RemotePolicy(broken, "opa", 1.0).verdict(FACTS))
    assert decision.error == "engine_failed"


def test_a_caller_who_leaves_is_no_failure_of_the_engine():
    async def run() -> None:
        async with serving(answering()) as upstream:
            task = asyncio.create_task(judged(upstream.port))
            await upstream.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


async def serve(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.write(answer({"result": VERDICT}))


def test_connections_are_kept_and_a_stale_one_is_tried_again():
    async def once_each(peer: Peer) -> None:
        await peer.request()
        await peer.write(answer({"result": VERDICT}))
        await peer.request()  # and leaves without an answer

    async def ask(upstream: Upstream, times: int) -> list[str | None]:
        pool = pool_of("127.0.0.1", upstream.port)
        remote = RemotePolicy(OpaData(pool, "opa", "/v1/data/situs"), "opa", 5.0)
        try:
            return [(await remote.verdict(FACTS)).error for _ in range(times)]
        finally:
            pool.close()

    async def run() -> tuple[Any, ...]:
        async with serving(serve) as upstream:
            kept = await ask(upstream, 3), len(upstream.peers)
        async with serving(once_each) as upstream:
            stale = await ask(upstream, 2), len(upstream.peers)
        return kept, stale

    assert asyncio.run(run()) == (([None] * 3, 1), ([None] * 2, 2))


def test_what_is_sent_is_the_whole_document_and_the_token_and_nothing_more():
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        heads.append(await peer.request())
        await peer.write(answer({"result": VERDICT}))

    async def run() -> bytes:
        async with serving(script) as upstream:
            await judged(upstream.port, token="t-1")
            return upstream.peers[0].requests[0]

    sent = msgspec.json.decode(asyncio.run(run()))
    assert list(sent) == ["input"]
    assert sent["input"]["label"] == "public"
    assert [one["name"] for one in sent["input"]["deployments"]] == ["a", "b"]
    line, _, _ = heads[0].partition(b"\r\n")
    assert line == b"POST /v1/data/situs?provenance=true&strict-builtin-errors=true HTTP/1.1"
    assert b"authorization: Bearer t-1\r\n" in heads[0]


def test_the_digest_names_the_server_and_the_revision_of_its_bundles():
    def of(name: str, said: dict[str, Any]) -> str:
        async def ask(_: bytes) -> tuple[int, bytes]:
            return 200, msgspec.json.encode({"result": VERDICT, **said})

        return asyncio.run(RemotePolicy(ask, name, 1.0).verdict(FACTS)).policy

    told = [{"provenance": {"bundles": {"p": {"revision": r}}}} for r in ("1", "2")]
    digests = {of("a", {}), of("b", {}), of("a", told[0]), of("a", told[1])}
    assert len(digests) == 4
    assert of("a", told[0]) == of("a", told[0])


def test_without_the_awaited_verdict_nothing_is_allowed():
    decision = judge(FACTS.request, FACTS.analysis, FACTS.snapshot, 0.0)
    assert (decision.allowed, decision.error) == ((), "engine_failed")


def test_an_obligation_that_is_unknown_here_excludes():
    said = {**VERDICT, "deny": [], "obligations": [{"kind": "fly", "deployment": "b"}]}
    decision = decided(answering(answer({"result": said})))
    assert decision.allowed == ("a",)
