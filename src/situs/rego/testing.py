"""Runs the tests of a policy: the `test_…` rules of the `*_test.rego` files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
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


class Covered(Struct, frozen=True):
    """How much of a file of the policy its tests reach; `missed` are the lines that none does."""

    file: str
    lines: int
    missed: tuple[int, ...]


class Tested(Struct, frozen=True):
    """`coverage` is of the policy's files, not of the tests'."""

    outcomes: tuple[Outcome, ...]
    coverage: tuple[Covered, ...]

    @property
    def percent(self) -> float:
        """Of the lines that can be reached, those that a test does."""
        lines = sum(one.lines for one in self.coverage)
        missed = sum(len(one.missed) for one in self.coverage)
        return 100.0 * (lines - missed) / lines if lines else 100.0


def run_tests(paths: Sequence[Path], lists: Names = ()) -> Tested:
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
    reached: dict[str, tuple[set[int], set[int]]] = {}
    outcomes = [_run([*policy, *tests], reached, one) for one in _named(written)]
    if not outcomes:
        raise PolicyError(
            "no tests here", do="Write rules named test_… in a *_test.rego file beside the policy."
        )
    return Tested(tuple(outcomes), tuple(_covered(policy, reached)))


def _covered(
    policy: Sequence[Module], reached: dict[str, tuple[set[int], set[int]]]
) -> Iterator[Covered]:
    for module in policy:
        yes, no = reached.get(module.shown, (set[int](), set[int]()))
        yield Covered(module.shown, len(yes | no), tuple(sorted(no - yes)))


def _named(tests: Sequence[Syntax]) -> list[_Named]:
    """Each test, clauses of one name together."""
    found: dict[str, _Named] = {}
    for module in tests:
        for rule in module.rules:
            if rule.name[-1].startswith("test_"):
                name = ".".join([*module.package, *rule.name])
                found.setdefault(name, _Named(name, module.file, rule.at.line))
    return list(found.values())


class _Named(Struct, frozen=True):
    name: str
    file: str
    line: int


class _Lines(Struct):
    path: str
    covered: list[int]
    not_covered: list[int]


class _Report(Struct):
    files: list[_Lines]


def _run(
    modules: Sequence[Module], reached: dict[str, tuple[set[int], set[int]]], one: _Named
) -> Outcome:
    """Adds the lines that were reached, and those that were not, by file."""
    engine = regorus.Engine()
    engine.set_enable_coverage(True)
    try:
        for module in modules:
            engine.add_policy(module.shown, module.text)
        engine.set_input_json("{}")
        answer = engine.eval_rule_as_json(f"data.{one.name}")
        said = msgspec.json.decode(engine.get_coverage_report_as_json(), type=_Report)
    except BaseException as problem:
        if must_pass(problem):
            raise
        told = str(engine_problem(problem, one.file))
        return Outcome(one.name, one.file, one.line, passed=False, problem=told)
    for file in said.files:
        yes, no = reached.setdefault(file.path, (set(), set()))
        yes.update(file.covered)
        no.update(file.not_covered)
    return Outcome(one.name, one.file, one.line, passed=answer.strip() == "true")
