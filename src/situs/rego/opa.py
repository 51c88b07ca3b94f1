"""The policy of an OPA server, asked over its REST API: an answer in time and to the letter, or no.

Source: https://www.openpolicyagent.org/docs/rest-api#data-api
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from situs.core.decision import PolicyDecision
from situs.core.snapshot import Policy
from situs.errors import BackendUnavailable
from situs.policy.input import FIELDS, Facts, input_document
from situs.policy.judge import believed, denied, must_pass

Ask = Callable[[bytes], Awaitable[tuple[int, bytes]]]
"""Sends the body of a request to OPA: the status and the body of the answer.

Raises BackendUnavailable. Follows no redirects.
"""

_MEMBERS: Final = ("allow", "deny", "obligations", "declassify")
_OK: Final = 200


class Provenance(Struct, frozen=True):
    """Which bundles an answer comes from."""

    revision: str = ""
    bundles: dict[str, dict[str, Any]] = {}


class _Answer(Struct):
    """`result` is left out where the document is undefined."""

    result: Any = msgspec.UNSET
    provenance: Provenance = Provenance()


_decode = msgspec.json.Decoder(_Answer).decode


class RemotePolicy:
    """`name` says which policy is asked, as a URL without secrets; its digest names the decisions.

    Where OPA tells the revisions of its bundles, these are in the digest, too.
    """

    def __init__(self, ask: Ask, name: str, deadline_s: float) -> None:
        self._ask = ask
        self._name = name
        self._deadline_s = deadline_s

    async def verdict(self, facts: Facts) -> PolicyDecision:
        """Never raises for what OPA does: whatever is not a verdict denies every deployment.

        `error` is then `engine_down`, `engine_deadline`, `engine_status` (not 200),
        `verdict_undefined`, `verdict_malformed`, or one that `policy.judge` gives.
        """
        snapshot, digest = facts.snapshot, digest_of(self._name)
        try:
            document = input_document(facts)
        except Exception:
            return denied(snapshot, "input_failed", digest)
        try:
            async with asyncio.timeout(self._deadline_s):
                status, body = await self._ask(b'{"input":' + document + b"}")
        except TimeoutError:
            return denied(snapshot, "engine_deadline", digest)
        except BackendUnavailable:
            return denied(snapshot, "engine_down", digest)
        except BaseException as problem:
            if must_pass(problem):
                raise
            return denied(snapshot, "engine_failed", digest)
        if status != _OK:
            return denied(snapshot, "engine_status", digest)
        return self._read(body, facts)

    def _read(self, body: bytes, facts: Facts) -> PolicyDecision:
        try:
            answer = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return denied(facts.snapshot, "verdict_malformed", digest_of(self._name))
        digest = digest_of(self._name, answer.provenance)
        if answer.result is msgspec.UNSET:
            return denied(facts.snapshot, "verdict_undefined", digest)
        return replace(believed(said(answer.result), facts), policy=digest)


def awaited(digest: str) -> Policy:
    """What stands in a snapshot: whoever does not wait for the server's verdict is denied."""

    def evaluate(_: bytes) -> Any:
        raise RuntimeError("the verdict comes from an OPA server and has to be awaited")

    return Policy(evaluate, digest, frozenset(FIELDS))


def digest_of(name: str, provenance: Provenance | None = None) -> str:
    found = provenance or Provenance()
    revisions = {bundle: one.get("revision") for bundle, one in found.bundles.items()}
    parts = {"opa": name, "revision": found.revision, "bundles": revisions}
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def said(result: Any) -> Any:
    """The verdict in the document of a package, which has its helper rules in it too."""
    if not isinstance(result, dict):
        return result
    return {name: result[name] for name in _MEMBERS if name in result}
