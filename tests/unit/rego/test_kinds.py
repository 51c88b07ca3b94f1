"""A kind of finding that the analysis never makes is refused, however a rule names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.task import NEEDS
from situs.rego.embedded import inspect

REFERENCE = Path(__file__).parents[3] / "docs/reference/policy-input.md"
HEAD = "package situs\nimport rego.v1\n"
GOOD = (
    "allow contains d.name if some d in input.deployments\n"
    'deny contains {"deployment": d.name, "code": "c"} if { false; some d in input.deployments }\n'
)
WAYS = [
    "x if input.findings.KIND > 0",
    'x if input.findings["KIND"] > 0',
    "x if { found := input.findings; found.KIND > 0 }",
    'x if "KIND" in object.keys(input.findings)',
    'x if { kinds := object.keys(input.findings); "KIND" in kinds }',
    'x if { some kind, n in input.findings; kind == "KIND"; n > 0 }',
    'x if { some kind, n in input.findings; kind in {"KIND"}; n > 0 }',
    'x if { some kind, _ in input.findings; named(kind) }\nnamed(k) if k == "KIND"',
    'x if { some kind in object.keys(input.findings); kind == "KIND" }',
    'x if every kind, n in input.findings { kind != "KIND"; n > 0 }',
    'x if { some kind in {"KIND"}; input.findings[kind] > 0 }',
    'x if { kind := "KIND"; input.findings[kind] > 0 }',
    'kind := "KIND"\nx if input.findings[kind] > 0',
    'x if { input.findings[kind] > 0; kind == "KIND" }',
    'x if { some kind; input.findings[kind] > 0; kind == "KIND" }',
    'x if count({kind | input.findings[kind] > 0; kind in {"KIND"}}) > 0',
    'kinds := {"KIND"}\nx if { some kind in kinds; input.findings[kind] > 0 }',
    'kinds := {"KIND"}\nx if { some kind, n in input.findings; kind in kinds; n > 0 }',
    'x if { kinds := ["KIND"]; some kind in kinds; input.findings[kind] > 0 }',
    'x if count({"KIND"} & object.keys(input.findings)) > 0',
    'kinds := {"KIND"}\nx if count(object.keys(input.findings) & kinds) > 0',
    'x if found("KIND")\nfound(kind) if input.findings[kind] > 0',
    'x if found("KIND", 1)\nfound(kind, n) if object.get(input.findings, kind, 0) > n',
    'x if found("KIND")\nfound(kind) if { some one, _ in input.findings; one == kind }',
    'x if object.get(input, ["findings", "KIND"], 0) > 0',
    'x if object.get(input.findings, "KIND", 0) > 0',
]


def said(tmp_path, text: str, lists: tuple[str, ...] = ()) -> list[str]:
    (tmp_path / "p.rego").write_text(HEAD + GOOD + text + "\n", encoding="utf-8")
    problems = inspect([tmp_path], lists).problems
    return [str(one).replace(f"{tmp_path}/", "") for one in problems]


@pytest.mark.parametrize("text", WAYS)
def test_a_kind_that_is_never_found_is_refused_with_its_place(tmp_path, text):
    [problem] = said(tmp_path, text.replace("KIND", "creditcard"))
    assert problem.startswith(("p.rego:5:", "p.rego:6:"))
    assert "creditcard" in problem
    assert problem.endswith("; the nearest word is card")


@pytest.mark.parametrize("text", WAYS)
@pytest.mark.parametrize("kind", ["card", "iban"])
def test_a_kind_that_may_be_found_is_accepted(tmp_path, text, kind):
    assert said(tmp_path, text.replace("KIND", kind)) == []


@pytest.mark.parametrize("text", WAYS)
def test_a_kind_of_a_list_is_accepted_where_there_is_one(tmp_path, text):
    text = text.replace("KIND", "project_name")
    assert said(tmp_path, text, ("project_name",)) == []
    [problem] = said(tmp_path, text, ("project_names",))
    assert problem.endswith("; the nearest word is project_names")


def test_every_kind_of_the_analysis_may_be_named(tmp_path):
    text = "\n".join(f"x if input.findings.{kind} > 0" for kind in DEFAULT_FLOORS)
    assert said(tmp_path, text) == []


@pytest.mark.parametrize("word", [*DEFAULT_FLOORS, *NEEDS])
def test_the_reference_lists_the_kinds_and_the_tasks(word):
    lists = REFERENCE.read_text(encoding="utf-8").partition("A `task` is")[2].partition("##")[0]
    assert f"`{word}`" in lists


def test_a_kind_like_none_is_answered_with_all_of_them(tmp_path):
    [problem] = said(tmp_path, "x if input.findings.zzz > 0")
    assert problem.endswith("it is one of " + ", ".join(DEFAULT_FLOORS))


@pytest.mark.parametrize(
    "text",
    [
        "x if { some i, d in input.deployments; i > 0; d.locus.owned }",
        "x if { some i, d in input.deployments; i == 0; d.locus.owned }",
        "x if { some kind, n in input.findings; n > 2; kind != input.route }",
        "x := sum([n | some n in input.findings])",
        "x if count(input.findings) == 0",
        "x if input.findings == {}",
        'x if { some key, v in input.principal; key == "tenant"; v != "" }',
    ],
)
def test_other_loops_and_keys_are_left_alone(tmp_path, text):
    assert said(tmp_path, text) == []
