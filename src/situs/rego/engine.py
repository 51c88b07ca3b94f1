"""The embedded engine: makes a policy that was checked ready to judge.

The interpreter is used, not the engine's bytecode machine: that one goes on after an undefined
value (`x := input.nope` holds there), which allows what Rego denies.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import regorus
from msgspec import Struct

from situs.core.snapshot import Policy
from situs.policy.input import FIELDS
from situs.policy.memory import Memory
from situs.rego.modules import Source
from situs.rego.opa import awaited, digest_of
from situs.rego.tree import Names

OPTIONAL: Final = ("obligations", "declassify")
"""Rules of the verdict that a policy may do without."""
_ENTRY: Final = "data.situs_entry.verdict"


class Checked(Struct, frozen=True):
    """A policy without a fault, as a value: another process can make it ready.

    `elsewhere`: an OPA server has it, and its verdicts have to be awaited.
    """

    source: Source
    digest: str
    reads: frozenset[str]
    facts: frozenset[Names]
    rules: tuple[str, ...]
    elsewhere: bool = False


def of_server(name: str) -> Checked:
    """The policy of an OPA server, of which nothing is known but its name."""
    every = frozenset(FIELDS)
    return Checked(Source(()), digest_of(name), every, frozenset({()}), (), elsewhere=True)


def make_ready(checked: Checked) -> Policy:
    """The policy, ready to judge on this thread."""
    if checked.elsewhere:
        return awaited(checked.digest)
    engine = Engine(checked.source, checked.rules)
    return Policy(engine.evaluate, checked.digest, checked.reads, Memory(), checked.facts)


class Engine:
    """Owns the engine's objects, which must not leave the thread that made them."""

    def __init__(self, source: Source, rules: Sequence[str]) -> None:
        self._thread = threading.get_ident()
        self._engine = regorus.Engine()
        if source.data:
            self._engine.add_data_json(msgspec.json.encode(source.data).decode())
        for module in source.modules:
            self._engine.add_policy(module.shown, module.text)
        self._engine.add_policy("situs", entry_module(rules))

    def evaluate(self, document: bytes) -> Any:
        """The verdict document. Raises whatever the engine does, panics included."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("a policy is evaluated only on the thread that loaded it")
        self._engine.set_input_json(document.decode())
        return msgspec.json.decode(self._engine.eval_rule_as_json(_ENTRY))


def entry_module(rules: Sequence[str]) -> str:
    """The module that makes one document of what a policy with these rules says."""
    there = ("allow", "deny", *(name for name in OPTIONAL if f"situs.{name}" in rules))
    said = ", ".join(f'"{name}": data.situs.{name}' for name in there)
    return f"package situs_entry\nverdict := {{{said}}}\n"
