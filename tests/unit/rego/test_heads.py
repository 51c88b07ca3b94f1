"""What a rule would add to the verdict and can never be one is refused where it stands."""

from __future__ import annotations

import pytest

from situs.rego.embedded import inspect

HEAD = "package situs\nimport rego.v1\n"
GOOD = (
    "allow contains d.name if some d in input.deployments\n"
    'deny contains {"deployment": d.name, "code": "c"} if { false; some d in input.deployments }\n'
)
IF = ' if { input.task == "code"; input.route == "x"; some d in input.deployments; d.locus.owned }'
DENY = 'write {"deployment": name, "code": "reason"}'


def said(tmp_path, text: str) -> list[str]:
    (tmp_path / "p.rego").write_text(HEAD + GOOD + text + "\n", encoding="utf-8")
    problems = inspect([tmp_path]).problems
    return [str(one).replace(f"{tmp_path}/", "") for one in problems]


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (
            'deny contains {"deployment": d.name, "code": "Code Stays"}',
            '5:46: "Code Stays" can not be a code; a code is snake_case, of at most 64 characters',
        ),
        (
            'deny contains {"deployment": d.name, "code": ""}',
            '5:46: "" can not be a code; a code is snake_case, of at most 64 characters',
        ),
        (
            'deny contains {"deploymnt": d.name, "code": "c"}',
            "5:16: an element of deny has no deploymnt; the nearest name is deployment",
        ),
        (
            'deny contains {"deployment": d.name, "why": "c", "code": "c"}',
            f"5:38: an element of deny has no why; {DENY}",
        ),
        (
            'deny contains {"deployment": d.name}',
            f"5:15: an element of deny has no value for code; {DENY}",
        ),
        (
            'deny contains {"deployment": d, "code": "c"}',
            f'5:30: "deployment" is a string, not an object; {DENY}',
        ),
        (
            'deny contains {"deployment": d.name, "code": 7}',
            f'5:46: "code" is a string, not a number; {DENY}',
        ),
        (
            'deny contains {"deployment": d.name, "code": ["c"]}',
            f'5:44: "code" is a string, not an array; {DENY}',
        ),
        ("deny contains d.name", f"5:15: an element of deny is an object, not a string; {DENY}"),
        ('deny contains "x"', f"5:15: an element of deny is an object, not a string; {DENY}"),
        (
            "allow contains d",
            "5:16: an element of allow is a string, not an object; write a deployment's name",
        ),
        (
            'allow contains {"deployment": d.name}',
            "5:16: an element of allow is a string, not an object; write a deployment's name",
        ),
        (
            'obligations contains {"knd": "redact", "deployment": d.name}',
            "5:23: an element of obligations has no knd; the nearest name is kind",
        ),
        (
            'obligations contains {"kind": "Redact", "deployment": d.name}',
            '5:31: "Redact" can not be a kind; a code is snake_case, of at most 64 characters',
        ),
    ],
)
def test_a_head_that_can_never_be_a_verdict_is_refused_behind_a_condition(tmp_path, head, problem):
    assert said(tmp_path, head + IF) == [f"p.rego:{problem}"]


def test_an_element_that_the_body_names_is_looked_at_too(tmp_path):
    text = (
        'deny contains one if { input.route == "x"; some d in input.deployments; '
        'one := {"deployment": d.name, "code": "Code Stays"} }'
    )
    [problem] = said(tmp_path, text)
    assert '"Code Stays" can not be a code' in problem


@pytest.mark.parametrize(
    "head",
    [
        'deny contains {"deployment": d.name, "code": "code_stays"}',
        'deny contains {"deployment": d.name, "code": concat("_", ["not", input.label])}',
        'deny contains {"deployment": d.name, "code": input.task}',
        'deny contains object.union({"deployment": d.name}, {"code": "c"})',
        "deny contains why(d)",
        'allow contains concat("", [d.name])',
        'obligations contains {"kind": "redact"}',
    ],
)
def test_a_head_that_may_be_a_verdict_is_accepted(tmp_path, head):
    text = '\nwhy(d) := {"deployment": d.name, "code": "c"}'
    assert said(tmp_path, head + IF + text) == []
