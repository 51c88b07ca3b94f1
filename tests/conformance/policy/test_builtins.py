"""Every builtin function of OPA: refused at load, or the same to the embedded engine as to OPA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import regorus
import yaml
from tests.fakes.opa import MISSING, Opa, OpaError, is_here

from situs.rego.builtins import ALLOWED
from situs.rego.embedded import report
from situs.rego.modules import Module, Source

TABLE = yaml.safe_load(Path(__file__).with_name("builtins.yaml").read_text(encoding="utf-8"))
CALLS = [*TABLE["operators"], *(call for calls in TABLE["calls"].values() for call in calls)]
DIFFER = [one["call"] for one in TABLE["differ"]]
POLICY = """package situs
import rego.v1
allow contains d.name if some d in input.deployments
deny contains {"deployment": d.name, "code": "c"} if { false; some d in input.deployments }
answer := %s
"""
needs_opa = pytest.mark.skipif(not is_here(), reason=MISSING)


def embedded(call: str) -> Any:
    """None where there is no value."""
    engine = regorus.Engine()
    engine.add_policy("p", f"package t\nimport rego.v1\nanswer := {call}\n")
    try:
        answer = json.loads(engine.eval_rule_as_json("data.t.answer"))
    except RuntimeError:
        return None
    return None if answer == "<undefined>" else answer


def opa(call: str) -> Any:
    with Opa(Source(())) as engine:
        try:
            return engine.query(call)
        except OpaError:
            return None


def problems(call: str) -> list[str]:
    found = report(Source((Module("p.rego", "p.rego", POLICY % call),))).problems
    return [one.what for one in found]


def test_the_table_has_every_builtin_that_may_be_called():
    assert TABLE["calls"].keys() == ALLOWED
    assert ALLOWED.isdisjoint(TABLE["other"].split())


@pytest.mark.parametrize("name", TABLE["other"].split())
def test_any_other_builtin_of_opa_is_refused_at_load(name):
    assert f"{name} may not be called" in problems(f"{name}(1)")


@pytest.mark.parametrize("call", [call for calls in TABLE["calls"].values() for call in calls])
def test_a_call_that_engines_agree_on_is_accepted(call):
    assert problems(call) == []


@needs_opa
@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_the_same_to_both_engines(call):
    assert embedded(call) == opa(call)


@pytest.mark.parametrize("call", TABLE["error"])
def test_a_call_without_a_value_is_an_error_of_the_embedded_engine(call):
    engine = regorus.Engine()
    engine.add_policy("p", f"package t\nimport rego.v1\nanswer := {call}\n")
    with pytest.raises(RuntimeError):
        engine.eval_rule_as_json("data.t.answer")


@needs_opa
@pytest.mark.parametrize("call", TABLE["error"])
def test_a_call_without_a_value_has_none_in_opa(call):
    assert opa(call) is None


@needs_opa
@pytest.mark.parametrize("call", DIFFER)
def test_what_is_said_to_differ_does(call):
    assert embedded(call) != opa(call)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (r'regex.match("^\\d+$", input.task)', r"\d means ASCII to OPA, and all of Unicode"),
        (r"regex.match(`\bx`, input.task)", r"\b means ASCII to OPA, and all of Unicode"),
        (r'regex.replace(input.task, "\\s", "")', r"\s means ASCII to OPA, and all of Unicode"),
        ('sprintf("%d", [input.prompt_tokens])', "%d is not the same to every engine"),
        ('sprintf("%% %5v", [1])', "%5 is not the same to every engine"),
    ],
)
def test_literals_on_which_engines_do_not_agree_are_refused(call, problem):
    [said] = problems(call)
    assert said.startswith(problem)
