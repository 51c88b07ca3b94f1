"""Every engine to be had here, as a function from facts to a decision."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from tests.fakes.opa import Opa, is_here
from tests.fakes.opa_server import opa_server
from tests.unit.backends.upstream import pool_of

from situs.backends.opa import OpaData
from situs.core.decision import PolicyDecision
from situs.core.snapshot import Policy
from situs.policy import judge
from situs.policy.input import Facts
from situs.rego.bundle import read_bundle
from situs.rego.embedded import check_source
from situs.rego.engine import entry_module, make_ready
from situs.rego.modules import Source
from situs.rego.opa import RemotePolicy

Engine = Callable[[Facts], PolicyDecision]
NAMES = ("embedded", "embedded, each alone", "bundle", "opa", "opa over REST")


def here() -> tuple[str, ...]:
    return NAMES if is_here() else NAMES[:3]


@contextmanager
def engines(source: Source, folder: Path) -> Iterator[dict[str, Engine]]:
    """All that are here, with this policy."""
    checked = check_source(source)
    ready = make_ready(checked)
    plain = replace(ready, facts=frozenset({()}), memory=None)
    packed = read_bundle(bundle_of(source), None, "bundle")
    bundle = make_ready(check_source(packed))
    found: dict[str, Engine] = {
        "embedded": judged_by(ready),
        "embedded, each alone": judged_by(plain),
        "bundle": judged_by(bundle),
    }
    with ExitStack() as stack:
        if is_here():
            opa = stack.enter_context(Opa(source))
            opa.add("situs_entry", entry_module(checked.rules))
            found["opa"] = judged_by(replace(plain, evaluate=asked(opa)))
            url = stack.enter_context(opa_server(source, folder))
            found["opa over REST"] = stack.enter_context(over_rest(int(url.rpartition(":")[2])))
        yield found


def judged_by(policy: Policy) -> Engine:
    def judged(facts: Facts) -> PolicyDecision:
        snapshot = replace(facts.snapshot, policy=policy)
        return judge(facts.request, facts.analysis, snapshot, facts.now)

    return judged


def asked(opa: Opa) -> Callable[[bytes], Any]:
    return lambda document: opa.document("situs_entry.verdict", document)


@contextmanager
def over_rest(port: int) -> Iterator[Engine]:
    with asyncio.Runner() as runner:
        pool = pool_of("127.0.0.1", port)
        remote = RemotePolicy(OpaData(pool, "opa", "/v1/data/situs"), "opa", 30.0)
        try:
            yield lambda facts: runner.run(remote.verdict(facts))
        finally:

            async def close() -> None:
                pool.close()
                await asyncio.sleep(0.01)

            runner.run(close())


def bundle_of(source: Source, more: Mapping[str, bytes] | None = None) -> bytes:
    """A tar.gz as `opa build` makes it, unsigned unless `more` has the signatures."""
    files = {module.name: module.text.encode() for module in source.modules}
    files[".manifest"] = msgspec.json.encode({"revision": source.revision, "roots": [""]})
    if source.data:
        files["data.json"] = msgspec.json.encode(source.data)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in {**files, **(more or {})}.items():
            member = tarfile.TarInfo(f"/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def what(decision: PolicyDecision) -> tuple[Any, ...]:
    """All of it but whose it is."""
    return (
        decision.allowed,
        decision.exclusions,
        decision.obligations,
        decision.declassify,
        decision.error,
    )
