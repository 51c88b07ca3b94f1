"""What is known of caches reaches the decision."""

from time import monotonic
from typing import Any

from tests import make

from situs.core.record import End, Measured, Usage
from situs.core.request import Request, Wire
from situs.fleet.registry import Registry
from situs.fleet.situation import Situation


def asks(id_: str, text: str) -> Request:
    document = {"messages": [{"role": "user", "content": text}]}
    return Request(id_, Wire.OPENAI_CHAT, "auto", document, (), 0)


def test_what_was_sent_is_warm_and_had_to_be_read():
    backends: Any = None
    fixed = make.snapshot(make.view(make.deployment("a"), make.deployment("b")))
    registry = Registry(fixed.fleet.deployments, fixed.fleet.digest, monotonic)
    situation = Situation(registry, fixed, backends)
    assert situation.current().snapshot.read == {}
    first = asks("1", "x" * 4000)
    assert situation.began("a")
    situation.sent("a", first)
    assert 900 < situation.current().snapshot.read["a"] <= 1100
    usage = Usage(1000, 5)
    situation.ended("a", "1", End.COMPLETE, Measured(None, 1.0, 1.0, 1000, usage))
    assert list(situation.warm(asks("2", "x" * 4000 + "y"))) == ["a"]
    situation.load(fixed, backends)
    assert list(situation.warm(asks("3", "x" * 4000 + "y"))) == ["a"]
