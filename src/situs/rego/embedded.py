"""Loads a policy for the embedded engine, or says everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import regorus
from msgspec import Struct

from situs.core.snapshot import Policy
from situs.errors import PolicyError
from situs.policy.judge import must_pass, read_verdict
from situs.rego import check
from situs.rego.bundle import read_source
from situs.rego.engine import Checked, Engine, make_ready
from situs.rego.modules import Module, Problem, Source, refuse
from situs.rego.sample import sample_documents
from situs.rego.syntax import Syntax, read_syntax
from situs.rego.tree import Names

_WHERE: Final = re.compile(r"-->\s*(.*?):(\d+):(\d+)\s")
_WHAT: Final = re.compile(r"^error: (.*)$", re.MULTILINE)
_BRACKETS: Final = re.compile(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|#[^\n]*|[][{}]')
_DEEPEST: Final = 10
_V1: Final = "write Rego v1: `allow contains name if { … }`"


class Report(Struct, frozen=True):
    """What a policy is: its problems, or its digest and what it uses."""

    digest: str
    revision: str
    files: tuple[str, ...]
    rules: tuple[str, ...]
    builtins: tuple[str, ...]
    reads: tuple[str, ...]
    facts: tuple[str, ...]
    problems: tuple[Problem, ...]


def load_checked(paths: Sequence[Path], lists: Names = ()) -> Checked:
    """The policy in these files and directories; `lists` are kinds of finding it may name too.

    Raises PolicyError with every problem at once: syntax, packages, missing rules, functions that
    may not be called, fields that `input` does not have, a verdict of the wrong shape.
    """
    return check_source(read_source(paths), lists)


def check_source(source: Source, lists: Names = ()) -> Checked:
    """The same of what was read already."""
    checked, problems = _prepare(source, lists)
    if problems:
        raise refuse(problems)
    return Checked(source, source.digest, checked.reads, checked.facts, checked.rules)


def load(paths: Sequence[Path], lists: Names = ()) -> Policy:
    """As `load_checked` and `make_ready`."""
    return make_ready(load_checked(paths, lists))


def inspect(paths: Sequence[Path], lists: Names = ()) -> Report:
    """The same, for people: problems are told, not raised, unless no file can be read."""
    return report(read_source(paths), lists)


def report(source: Source, lists: Names = ()) -> Report:
    """What a policy that was read is."""
    checked, problems = _prepare(source, lists)
    return Report(
        digest=source.digest,
        revision=source.revision,
        files=tuple(module.shown for module in source.modules),
        rules=checked.rules,
        builtins=checked.builtins,
        reads=tuple(sorted(checked.reads)),
        facts=tuple(sorted(".".join(path) or "all" for path in checked.facts)),
        problems=problems,
    )


def evaluate_once(source: Source, document: bytes, lists: Names = ()) -> Any:
    """The verdict document on one input, for people. Raises PolicyError whatever goes wrong."""
    policy = make_ready(check_source(source, lists))
    try:
        answer = policy.evaluate(document)
        read_verdict(answer)
    except BaseException as problem:
        if must_pass(problem):
            raise
        said = engine_problem(problem, "input")
        do = "Correct the input document, or the policy if it is sound."
        raise PolicyError(str(said), do=do) from None
    return answer


def parse(modules: Sequence[Module]) -> tuple[tuple[Syntax, ...], tuple[Problem, ...]]:
    """Reads each module by itself, so that one syntax error does not hide the next."""
    syntaxes: list[Syntax] = []
    problems: list[Problem] = []
    for module in modules:
        deep = _too_deep(module)
        if deep:
            problems.append(deep)
            continue
        engine = regorus.Engine()
        try:
            engine.add_policy(module.shown, module.text)
            [tree] = msgspec.json.decode(engine.get_ast_as_json())
        except BaseException as problem:
            if must_pass(problem):
                raise
            problems.append(engine_problem(problem, module.shown))
        else:
            syntaxes.append(read_syntax(module.shown, module.text, tree["ast"]))
    return tuple(syntaxes), tuple(problems)


def _too_deep(module: Module) -> Problem | None:
    """The parser takes twice as long for each level of brackets."""
    depth = 0
    for token in _BRACKETS.finditer(module.text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > _DEEPEST:
            line = module.text.count("\n", 0, token.start()) + 1
            what = f"brackets are nested more than {_DEEPEST} deep"
            return Problem(module.shown, line, 0, what, "give the inner parts names of their own")
    return None


def engine_problem(problem: BaseException, shown: str) -> Problem:
    """An engine's message without its picture and its stack."""
    text = str(problem).split("Stack backtrace")[0].strip()
    where, what = _WHERE.search(text), _WHAT.search(text)
    said = what[1] if what else next(iter(text.splitlines()), type(problem).__name__)
    do = _V1 if "keyword is required" in said else ""
    if where:
        return Problem(where[1], int(where[2]), int(where[3]), said, do)
    return Problem(shown, 0, 0, said, do)


def _prepare(source: Source, lists: Names) -> tuple[check.Checked, tuple[Problem, ...]]:
    syntaxes, broken = parse(source.modules)
    checked = check.check(syntaxes, partial=bool(broken), lists=lists, data=source.data)
    problems = broken + checked.problems
    if not problems:
        problems = _try(source, checked.rules)
    return checked, tuple(sorted(problems))


def _try(source: Source, rules: Sequence[str]) -> tuple[Problem, ...]:
    shown = source.modules[0].shown
    try:
        engine = Engine(source, rules)
        for document in sample_documents():
            read_verdict(engine.evaluate(document))
    except msgspec.ValidationError as problem:
        what = f"the verdict on an example request has the wrong shape: {problem}"
        return (Problem(shown, 0, 0, what, "see docs/guides/policy.md"),)
    except BaseException as problem:
        if must_pass(problem):
            raise
        return (engine_problem(problem, shown),)
    return ()
