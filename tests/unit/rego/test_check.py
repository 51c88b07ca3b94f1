"""What is refused at load, with its place and what to do."""

from __future__ import annotations

import pytest

from situs.errors import PolicyError
from situs.policy.input import FIELDS
from situs.rego.embedded import inspect, load

HEAD = "package situs\nimport rego.v1\n"
GOOD = (
    "allow contains d.name if some d in input.deployments\n"
    'deny contains {"deployment": d.name, "code": "c"} if { false; some d in input.deployments }\n'
)
CLOCK = "time.now_ns may not be called; use input.time, or time.parse_rfc3339_ns(input.time)"


def said(tmp_path, text: str, head: str = HEAD) -> list[str]:
    (tmp_path / "p.rego").write_text(head + text, encoding="utf-8")
    problems = inspect([tmp_path]).problems
    return [str(one).replace(f"{tmp_path}/", "") for one in problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x := time.now_ns()", f"p.rego:5:6: {CLOCK}"),
        ('x := time["now_ns"]()', f"p.rego:5:6: {CLOCK}"),
        ("x if every y in [time.now_ns()] { y > 0 }", f"p.rego:5:18: {CLOCK}"),
        ("default x := time.now_ns()", f"p.rego:5:14: {CLOCK}"),
        ("x if not http.send({})", "p.rego:5:10: http.send may not be called; "),
        ('x := {y | y := rand.intn("a", 3)}', "p.rego:5:16: rand.intn may not be called; "),
        ('x := 1 if input.tools else := uuid.rfc4122("")', "p.rego:5:31: uuid.rfc4122 may not"),
        ("x := {opa.runtime(): 1}", "p.rego:5:7: opa.runtime may not be called; "),
        ("x := input.findings[opa.runtime().env]", "p.rego:5:21: opa.runtime may not"),
        ("m[opa.runtime().env] := 1", "p.rego:5:3: opa.runtime may not be called; "),
        ("x := http.send({}).body.y", "p.rego:5:6: http.send may not be called; "),
        ("f(a, 1) := a\nx := f(http.send({}), 1)", "p.rego:6:8: http.send may not be called; "),
        ("rand.intn(a, b) := 7", ""),
        ('rand.intn(a, b) := 7\nx := rand.intn("a", 3)', "p.rego:6:6: rand.intn may not"),
        (
            'x if startwith("a", "b")',
            "p.rego:5:6: startwith may not be called; the nearest name is startswith",
        ),
        (
            "near(d) if d\nx if naer(1)",
            "p.rego:6:6: naer may not be called; the nearest name is near",
        ),
        ("f(a) := a\nx := f(1, 2)", "p.rego:6:6: f takes 1 arguments, not 2"),
        ("x if print(1)", "p.rego:5:6: print may not be called; "),
        ("x if count([1]) == 1 with count as http.send", "p.rego:5:22: `with` is for tests; "),
        ('x if input.lable == "a"', "p.rego:5:6: input has no lable; the nearest name is label"),
        (
            'x if object.get(input.principal, "tennant", "") == "a"',
            "p.rego:5:6: input has no principal.tennant; the nearest name is tenant",
        ),
        ('x if object.get(input, "lable", "a") == "a"', "p.rego:5:6: input has no lable; "),
        ('x if object.get(input, ["principal", "tenant"], "a") == "a"', ""),
        ('x if input["lable"]', "p.rego:5:6: input has no lable; "),
        (
            'x if { some d in input.deployments; d.locus.knd == "a" }',
            "p.rego:5:37: input has no deployments.*.locus.knd; the nearest name is kind",
        ),
        (
            "x if { d := input.deployments[_]; d.nmae }",
            "p.rego:5:35: input has no deployments.*.nmae; the nearest name is name",
        ),
        (
            "x if every d in input.deployments { d.nmae }",
            "p.rego:5:37: input has no deployments.*.nmae; ",
        ),
        ("f(x) := f(x)", "p.rego:5:1: a rule may not depend on itself: situs.f → situs.f"),
        (
            "f(x) := g(x)\ng(x) := h\nh := f(2)",
            "p.rego:5:1: a rule may not depend on itself: situs.f → ",
        ),
        ("f(x) := data.situs.f(x)", "p.rego:5:1: a rule may not depend on itself: "),
        (
            "x := data.situs.allw",
            "p.rego:5:6: there is no rule data.situs.allw; the nearest name is data.situs.allow",
        ),
        ("x := data", "p.rego:5:6: there is no rule data; name one rule of it"),
        ("x := data.situs[_]", "p.rego:5:6: there is no rule data.situs.*; name one rule of it"),
        (
            "x if { some input in [1]; input == 1 }",
            "p.rego:5:1: a variable may not be named input or data",
        ),
        ("x if typo == 1", "p.rego:5:6: use of undefined variable `typo` is unsafe"),
        ("x := " + "[" * 40 + "]" * 40, "p.rego:5: brackets are nested more than 10 deep; "),
    ],
)
def test_what_may_not_be_said_is_refused_where_it_stands(tmp_path, text, problem):
    found = said(tmp_path, GOOD + text + "\n")
    assert len(found) == (1 if problem else 0), found
    assert not problem or found[0].startswith(problem)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "allow {\n\tinput.tools\n}\n",
            ["p.rego:3:7: `if` keyword is required before rule body; write Rego v1: "],
        ),
        ("allow contains x if {\n", ["p.rego:4:1: "]),
        ("", ["p.rego: there is no rule `allow`; ", "p.rego: there is no rule `deny`; "]),
        (
            'default allow := false\ndeny contains {"deployment": "d", "code": "c"} if false',
            ["p.rego:3:9: `allow` must be a set; write `allow contains name if"],
        ),
        (
            GOOD + "allow contains count(input.task) if input.tools == false",
            ["p.rego: the verdict on an example request has the wrong shape: "],
        ),
        (
            GOOD + 'deny contains lower("x")',
            ["p.rego: the verdict on an example request has the wrong shape: "],
        ),
        (
            GOOD + 'obligations contains {"kind": lower("Not This")}',
            ["p.rego: the verdict on an example request has the wrong shape: "],
        ),
    ],
)
def test_a_policy_without_a_verdict_is_refused(tmp_path, text, problems):
    found = said(tmp_path, text)
    assert len(found) == len(problems), found
    assert all(one.startswith(start) for one, start in zip(found, problems, strict=True))


def test_another_package_is_refused(tmp_path):
    found = said(tmp_path, GOOD, head="package other\nimport rego.v1\n")
    assert "p.rego:1:1: package other is not read; write `package situs`" in "\n".join(found)


def test_all_problems_of_all_files_are_told_at_once(tmp_path):
    (tmp_path / "a.rego").write_text(HEAD + "allow {\n", encoding="utf-8")
    (tmp_path / "b.rego").write_text(HEAD + "x := time.now_ns()\n", encoding="utf-8")
    (tmp_path / "c.rego").write_text(HEAD + "y := input.lable\n", encoding="utf-8")
    with pytest.raises(PolicyError) as refused:
        load([tmp_path])
    lines = [line.removeprefix(f"{tmp_path}/")[:8] for line in refused.value.message.split("\n")]
    assert lines == ["a.rego:3", "b.rego:3", "c.rego:3"]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("", {"deployments"}),
        ("x := input.label", {"deployments", "label"}),
        ('x := input["label"]', {"deployments", "label"}),
        ("x := input.principal.tenant", {"deployments", "principal"}),
        ("x := [input[k] | some k in [1]]", set(FIELDS)),
        ("x := input", set(FIELDS)),
        ("f(i) := i\nx := f(input)", set(FIELDS)),
        ("x := {k | input[k]}", set(FIELDS)),
    ],
)
def test_which_fields_a_policy_reads(tmp_path, text, reads):
    (tmp_path / "p.rego").write_text(HEAD + GOOD + text, encoding="utf-8")
    assert load([tmp_path]).reads == reads


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("import input.principal", {"deployments", "principal"}),
        ("import input.principal as who", {"deployments", "principal"}),
        ("import input as everything", set(FIELDS)),
    ],
)
def test_imports_of_input_are_read_too(tmp_path, line, reads):
    (tmp_path / "p.rego").write_text(HEAD + line + "\n" + GOOD, encoding="utf-8")
    assert load([tmp_path]).reads == reads


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("import data.situs.lib as time", "an import may not be named time"),
        ("import data.situs.lib", "there is no data.situs.lib"),
        ("import input.lable", "input has no lable"),
    ],
)
def test_a_wrong_import_is_refused(tmp_path, line, problem):
    assert any(problem in one for one in said(tmp_path, line + "\n" + GOOD))


def test_helpers_in_a_package_below_are_found(tmp_path):
    (tmp_path / "lib.rego").write_text(
        "package situs.lib\nimport rego.v1\non_prem(d) if d.locus.kind == input.task\n", "utf-8"
    )
    text = "import data.situs.lib\nimport data.situs.lib.on_prem as here\n" + GOOD
    uses = (
        "x if { some d in input.deployments; lib.on_prem(d); here(d); data.situs.lib.on_prem(d) }"
    )
    (tmp_path / "p.rego").write_text(HEAD + text + uses, encoding="utf-8")
    assert load([tmp_path]).reads == {"deployments", "task"}


ALLOW = "package situs\nimport rego.v1\nallow contains d.name if some d in input.deployments\n"
DENY = 'deny contains {"deployment": d.name, "code": "c"} if some d in input.deployments\n'


def told(tmp_path, **modules: str) -> list[str]:
    for name, text in modules.items():
        (tmp_path / f"{name}.rego").write_text(text, encoding="utf-8")
    return [str(one).replace(f"{tmp_path}/", "") for one in inspect([tmp_path]).problems]


def test_a_package_that_nobody_reads_is_refused(tmp_path):
    problems = told(tmp_path, a=ALLOW + DENY, b="package situs.eu\nimport rego.v1\n" + DENY)
    assert problems == [
        (
            "b.rego:1:1: nothing reads package situs.eu; "
            "write `package situs`, or use a rule of it there: data.situs.eu.deny"
        )
    ]


def test_packages_that_read_each_other_only_are_refused(tmp_path):
    head = "package situs.{}\nimport rego.v1\nyes if data.situs.{}.{}\n"
    two = {
        "b": head.format("b", "c", "also"),
        "c": "package situs.c\nimport rego.v1\nalso := true\n",
    }
    problems = told(tmp_path, a=ALLOW + DENY, **two)
    assert [one.partition(";")[0] for one in problems] == [
        "b.rego:1:1: nothing reads package situs.b",
        "c.rego:1:1: nothing reads package situs.c",
    ]


def test_a_rule_of_the_verdict_in_a_package_of_helpers_is_refused(tmp_path):
    helper = 'package situs.eu\nimport rego.v1\nmembers := {"DE"}\n' + DENY
    deny = 'deny contains {"deployment": d.name, "code": "c"} if { some d in input.deployments; '
    deny += "not d.locus.jurisdiction in data.situs.eu.members }\n"
    assert told(tmp_path, a=ALLOW + deny, b=helper) == [
        (
            "b.rego:4:1: nothing reads the rule situs.eu.deny; "
            "write `package situs`, where `deny` is the verdict's"
        )
    ]


def test_a_package_is_read_through_another(tmp_path):
    deny = 'deny contains {"deployment": d.name, "code": "c"} if { some d in input.deployments; '
    deny += "data.situs.b.far(d) }\n"
    far = (
        "package situs.b\nimport rego.v1\nfar(d) if not d.locus.jurisdiction in data.situs.c.near\n"
    )
    near = 'package situs.c\nimport rego.v1\nnear contains "DE"\n'
    assert told(tmp_path, a=ALLOW + deny, b=far, c=near) == []


def test_a_file_whose_name_ends_in_capitals_is_named(tmp_path):
    (tmp_path / "more.REGO").write_text(ALLOW, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"more.REGO: is not read; rename it to more.rego"):
        told(tmp_path, a=ALLOW + DENY)
