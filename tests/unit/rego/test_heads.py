"""What a rule would add to the verdict and can never be one is refused where it stands."""

from __future__ import annotations

import pytest

from situs.policy.judge import KNOWN_OBLIGATIONS
from situs.rego.embedded import inspect

HEAD = "package situs\nimport rego.v1\n"
GOOD = (
    "allow contains d.name if some d in input.deployments\n"
    'deny contains {"deployment": d.name, "code": "c"} if { false; some d in input.deployments }\n'
)
IF = ' if { input.task == "code"; input.route == "x"; some d in input.deployments; d.locus.owned }'
DENY = 'write {"deployment": name, "code": "reason"}'


def said(tmp_path, text: str, lists: tuple[str, ...] = ()) -> list[str]:
    (tmp_path / "p.rego").write_text(HEAD + GOOD + text + "\n", encoding="utf-8")
    problems = inspect([tmp_path], lists).problems
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


KINDS = f"it is one of {', '.join(sorted(KNOWN_OBLIGATIONS))}"


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (
            'obligations contains {"kind": "redakt", "deployment": d.name}',
            '5:31: "redakt" is not a kind of obligation; the nearest word is redact',
        ),
        (
            'obligations contains {"kind": "xyzzy", "deployment": d.name}',
            f'5:31: "xyzzy" is not a kind of obligation; {KINDS}',
        ),
        (
            'obligations contains {"kind": "redact", "findings": ["iban", "creditcard"]}',
            '5:62: "creditcard" is not a kind of finding; the nearest word is card',
        ),
        (
            'obligations contains {"kind": "redact", "findings": {"project_nam"}}',
            '5:54: "project_nam" is not a kind of finding; the nearest word is project_name',
        ),
        (
            'obligations contains {"kind": "redact", "findings": "iban"}',
            '5:53: "findings" is an array of kinds, not a string; write ["iban", "card"]',
        ),
        (
            'obligations contains {"kind": "redact", "findings": [7]}',
            "5:54: 7 is not a kind of finding; use quotes",
        ),
        (
            'obligations contains {"kind": "max_output_tokens", "limit": "512"}',
            '5:61: "limit" is a number, not a string; write a whole number, such as 512',
        ),
        (
            'obligations contains {"kind": "max_output_tokens", "limit": -5}',
            "5:61: -5 can not be a limit; write a whole number, such as 512",
        ),
        (
            'obligations contains {"kind": "max_output_tokens", "limit": 2.5}',
            "5:61: 2.5 can not be a limit; write a whole number, such as 512",
        ),
        (
            'obligations contains {"kind": "max_output_tokens"}',
            "5:22: max_output_tokens without a limit allows none; write",
        ),
        (
            'obligations contains {"kind": "pseudonymise", "scope": "sesion"}',
            '5:56: "sesion" is not a scope; the nearest word is session',
        ),
        (
            'obligations contains {"kind": "answer_scan", "action": "block"}',
            '5:56: "block" is not an action; it is one of stop, redact, note',
        ),
        (
            'obligations contains {"kind": "answer_scan", "action": 1}',
            '5:56: "action" is a string, not a number; write {"kind": "…", "deployment": name}',
        ),
        (
            'declassify contains "Internal"',
            '5:21: "Internal" is not a label; the nearest word is internal',
        ),
        ("declassify contains 1", "5:21: an element of declassify is a string, not a number; "),
        (
            "declassify contains d",
            "5:21: an element of declassify is a string, not an object; write one of public, ",
        ),
    ],
)
def test_words_of_obligations_and_labels_are_looked_at(tmp_path, head, problem):
    [found] = said(tmp_path, head + IF, ("project_name",))
    assert found.startswith(f"p.rego:{problem}")


@pytest.mark.parametrize(
    "head",
    [
        'obligations contains {"kind": "redact", "findings": ["iban", "project_name"]}',
        'obligations contains {"kind": "redact", "findings": [k | some k, _ in input.findings]}',
        'obligations contains {"kind": "redact", "findings": kinds}',
        'obligations contains {"kind": "max_output_tokens", "limit": 512, "deployment": "*"}',
        'obligations contains {"kind": "max_output_tokens", "limit": input.prompt_tokens}',
        'obligations contains {"kind": "pseudonymise", "scope": "session"}',
        'obligations contains {"kind": "answer_scan", "action": "note"}',
        'obligations contains {"kind": concat("_", ["no", "log"])}',
        'declassify contains "internal"',
        "declassify contains input.session_label",
    ],
)
def test_obligations_that_may_be_owed_are_accepted(tmp_path, head):
    assert said(tmp_path, head + IF + '\nkinds := ["iban"]', ("project_name",)) == []


def test_declassify_must_be_a_set(tmp_path):
    [found] = said(tmp_path, 'declassify := "internal" if input.tools')
    assert "`declassify` must be a set; write `declassify contains" in found


@pytest.mark.parametrize(
    ("name", "near"), [("obligation", "obligations"), ("denny", "deny"), ("allows", "allow")]
)
def test_a_rule_that_nobody_reads_and_is_called_nearly_like_one_of_the_verdict_is_refused(
    name, near, tmp_path
):
    file = tmp_path / "p.rego"
    file.write_text(
        "package situs\nimport rego.v1\n"
        "allow contains d.name if { some d in input.deployments; d.locus.owned }\n"
        'deny contains {"deployment": d.name, "code": "c"} if { some d in input.deployments; '
        "not d.locus.owned }\n"
        f'{name} contains "x" if input.label == "public"\n'
    )
    [problem] = inspect([file]).problems
    assert (problem.what, problem.do) == (
        f"nothing reads the rule `{name}`",
        f"did you mean `{near}`?",
    )
