"""What keeps the dark run of a drill out of a network namespace of its own."""

from __future__ import annotations

import json

import pytest

from situs.app.drill import _namespace
from situs.config.load import parse

PLACE = {"kind": "on_prem", "owned": True, "jurisdiction": "AU"}
PRICE = {"currency": "USD", "prompt": 1.0, "completion": 1.0}


def config(url):
    entry = {"model": "m", "locus": "office", "endpoint": {"url": url}, "price": PRICE}
    return parse(
        json.dumps(
            {
                "version": 1,
                "loci": {"office": PLACE},
                "models": {"m": {"capability": "small", "context_tokens": 1000}},
                "deployments": {"rack-llm": entry},
            }
        )
    )


@pytest.mark.parametrize(
    ("url", "how"),
    [
        ("http://127.0.0.1:8080/v1", "is on this machine's own loopback"),
        ("http://localhost:8080/v1", "is on this machine's own loopback"),
        ("http://[::1]:8080/v1", "is on this machine's own loopback"),
        ("https://rack.example.org/v1", "is reached over the network"),
        ("https://10.0.0.7:8443/v1", "is reached over the network"),
    ],
)
def test_it_is_said_truly_how_what_has_an_address_is_reached(url, how):
    assert _namespace(config(url), ()) == f"not used: rack-llm {how}"


def test_what_is_dark_does_not_count():
    said = _namespace(config("https://rack.example.org/v1"), ("office",))
    assert said is None or "rack-llm" not in said
