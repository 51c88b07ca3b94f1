"""What is active: heads within a budget, and what names them."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from msgspec.structs import replace

from situs.app.active import Active, _within
from situs.config.load import default_config
from situs.core.heads import Heads
from situs.core.label import Finding

HERE = Path()


def test_what_takes_longer_than_the_budget_is_not_had_until_it_is_done():
    go = Event()

    def encode(texts):
        if texts != ("",):
            go.wait(10)
        return [len(text) for text in texts]

    within = _within(encode, 0.01)
    assert within(["slow"]) is None
    go.set()
    assert next(found for _ in range(500) if (found := within(["slow"])) is not None) == [4]
    assert next(found for _ in range(500) if (found := within(["quick"])) is not None) == [5]


def test_another_configuration_or_artefact_has_another_digest():
    config = default_config()
    others = [
        Active(config, Heads(), HERE),
        Active(replace(config, home="AU"), Heads(), HERE),
        Active(config, Heads(digests={"task": "a" * 64}), HERE),
        Active(config, Heads(digests={"encoder": "a" * 64}), HERE),
    ]
    assert len({one.digests()["digest"] for one in others}) == len(others)
    assert others[0].digests() == Active(default_config(), Heads(), HERE).digests()


def test_what_is_found_has_urls_and_names_in_the_full_tier_only_without_overlaps():
    def names(texts):
        text = texts[0]
        return [Finding("person", 0, text.index("Ada"), text.index("Ada") + 3, 0.9, "names")]

    found = Active(default_config(), Heads(names=names), HERE)
    text = "Ada wrote to ada@example.org about https://example.org/Ada"
    kinds = {tier: [one.kind for one in found.find(tier)(text)] for tier in ("structured", "full")}
    assert kinds == {"structured": ["email", "url"], "full": ["person", "email", "url"]}
