"""Runs the tests of a policy: the `test_…` rules of the `*_test.rego` files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import regorus
from msgspec import Struct

from situs.errors import PolicyError
from situs.policy.judge import must_pass
from situs.rego.check import check
from situs.rego.embedded import engine_problem, parse
from situs.rego.modules import Module, read_modules, refuse
from situs.rego.syntax import Syntax
from situs.rego.tree import Names


class Outcome(Struct, frozen=True):
    """How one test ended; `problem` is the engine's, if it could not be evaluated."""

    name: str
    file: str
    line: int
    passed: bool
    problem: str | None = None


def run_tests(paths: Sequence[Path], lists: Names = ()) -> tuple[Outcome, ...]:
    """Every test in the order of files and lines; a test passes if it is exactly `true`.

    `lists` are kinds of finding that the policy may name too.

    Raises PolicyError when policy or tests cannot be loaded, and when there are no tests.
    """
    policy, tests = read_modules(paths), read_modules(paths, tests=True)
    syntaxes, broken = parse([*policy, *tests])
    shown = {module.shown for module in tests}
    written = [one for one in syntaxes if one.file in shown]
    rest = [one for one in syntaxes if one.file not in shown]
    checked = check(rest, written, partial=bool(broken), lists=lists)
    if broken or checked.problems:
        raise refuse(broken + checked.problems)
    outcomes = [_run([*policy, *tests], *one) for one in _named(written)]
    if not outcomes:
        raise PolicyError(
            "no tests here", do="Write rules named test_… in a *_test.rego file beside the policy."
        )
    return tuple(outcomes)


def _named(tests: Sequence[Syntax]) -> list[tuple[str, str, int]]:
    """The full name, file and line of each test, clauses of one name together."""
    found: dict[str, tuple[str, str, int]] = {}
    for module in tests:
        for rule in module.rules:
            if rule.name[-1].startswith("test_"):
                name = ".".join([*module.package, *rule.name])
                found.setdefault(name, (name, module.file, rule.at.line))
    return list(found.values())


def _run(modules: Sequence[Module], name: str, file: str, line: int) -> Outcome:
    engine = regorus.Engine()
    try:
        for module in modules:
            engine.add_policy(module.shown, module.text)
        engine.set_input_json("{}")
        answer = engine.eval_rule_as_json(f"data.{name}")
    except BaseException as problem:
        if must_pass(problem):
            raise
        return Outcome(name, file, line, passed=False, problem=str(engine_problem(problem, file)))
    return Outcome(name, file, line, passed=answer.strip() == "true")
