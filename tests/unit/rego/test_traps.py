"""What evaluates without complaint and would allow everything, or never hold: refused at load."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.core.capability import CapabilityClass
from situs.core.fleet import KeyCustody, LocusKind, TrainingUse
from situs.core.label import Label
from situs.core.request import Modality, Objective, Wire
from situs.rego.embedded import inspect
from situs.rego.words import field, nearest

HEAD = "package situs\nimport rego.v1\n"
GOOD = (
    "allow contains d.name if some d in input.deployments\n"
    'deny contains {"deployment": d.name, "code": "c"} if { false; some d in input.deployments }\n'
)
ALL = "some d in input.deployments; "
LANGUAGE = "it is a code of two or three letters, `und` where not known"
CODE = "it is a code of ISO 3166-1 alpha-2, such as DE"
LABELS = "it is one of public, internal, confidential, restricted"


def said(tmp_path, text: str) -> list[str]:
    (tmp_path / "p.rego").write_text(HEAD + GOOD + text + "\n", encoding="utf-8")
    problems = inspect([tmp_path]).problems
    return [str(one).replace(f"{tmp_path}/", "") for one in problems]


def always(name: str) -> str:
    return (
        f"{name} is a variable that is bound here, so = holds for any value; "
        f'did you mean == "{name}"?'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x if { " + ALL + "d.locus.kind = on_prem }", f"5:52: {always('on_prem')}"),
        ("x if { on_prem = input.task }", f"5:8: {always('on_prem')}"),
        ("x if not input.label = secret", f"5:24: {always('secret')}"),
        ("x if { some y; y = input.label }", f"5:16: {always('y')}"),
        ("x if { every d in input.deployments { d.node = n } }", f"5:48: {always('n')}"),
        ("x := {d.name | some d in input.deployments; d.node = n}", f"5:54: {always('n')}"),
        ("x := 1 if input.tools else := 2 if { input.task = t }", f"5:51: {always('t')}"),
        (
            "x if { input.label = restricted; input.route = restricted }",
            f"5:22: {always('restricted')}",
        ),
        (
            "x if { [1, v] = [1, 2] }",
            "5:12: v is used only here, so it is anything; write _ if anything will do",
        ),
        (
            "x if input.findings[iban]",
            (
                "5:21: iban is used only here, so it stands for any member; "
                'write _ if any will do, or "iban" if that one is meant'
            ),
        ),
        (
            "x if on_prem := input.label",
            "5:6: on_prem is never used; leave out `on_prem :=`, or write ==",
        ),
        ("x if { some y; input.tools }", "5:13: y is never used; write _ if any will do"),
        (
            "x if { some d in input.deployments; input.tools }",
            "5:13: d is never used; write _ if any will do",
        ),
        (
            "x if { some d, i in input.deployments; d > 1 }",
            "5:16: i is never used; write _ if any will do",
        ),
        (
            "x if every d in input.deployments { input.tools }",
            "5:12: d is never used; write _ if any will do",
        ),
        (
            "local(d) if d.locus.owned\nx if { " + ALL + "d.name = local }",
            "6:46: local is a function, and stands here without being called; write local(…)",
        ),
    ],
)
def test_a_variable_that_nothing_else_uses_is_refused(tmp_path, text, problem):
    assert said(tmp_path, text) == [f"p.rego:{problem}"]


def test_siblings_do_not_share_a_variable(tmp_path):
    text = "x if { count({1 | input.task = t}) == 0; count({1 | input.route = t}) == 0 }"
    assert said(tmp_path, text) == [f"p.rego:5:32: {always('t')}", f"p.rego:5:67: {always('t')}"]


@pytest.mark.parametrize(
    "text",
    [
        "x if { " + ALL + 'd.locus.kind = "on_prem" }',
        "x if { t = input.task; t != input.route }",
        "x contains t if t = input.task",
        "m[t] := 1 if t = input.task",
        'x := t if { t = input.task; t != "" }',
        "f(t) if t = input.task\nx if f(input.route)",
        'code := "c"\nx if code = input.route',
        "x if { some i; input.deployments[i].locus.owned }",
        "x if input.deployments[_].locus.owned",
        "x if { some _ in input.deployments; input.tools }",
        "x if { some _, d in input.deployments; d.locus.owned }",
        "x if { some i, d in input.deployments; d.locus.owned }",
        "x if every i, d in input.deployments { d.locus.owned }",
        "x if { [_, v] = [1, input.task]; v != input.route }",
        "x if { t = input.task; count({d | some d in input.deployments; d.name = t}) > 0 }",
        "f(_, b) := b\nx if f(1, input.tools)",
        "f(a, b) := a\nx if f(input.tools, 1)",
    ],
)
def test_a_variable_that_says_something_is_accepted(tmp_path, text):
    assert said(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "x if { " + ALL + 'd.locus.kind == "on-prem" }',
            '5:53: deployments.*.locus.kind is never "on-prem"; the nearest word is on_prem',
        ),
        (
            'x if "Confidential" != input.label',
            '5:6: label is never "Confidential"; the nearest word is confidential',
        ),
        ('x if input.label = "secret"', f'5:20: label is never "secret"; {LABELS}'),
        ('x if input["label"] == `secret`', f'5:24: label is never "secret"; {LABELS}'),
        ('x if input.label in {"public", "secret"}', f'5:32: label is never "secret"; {LABELS}'),
        ('x if input.label in ["public", "secret"]', f'5:32: label is never "secret"; {LABELS}'),
        ('x if {"public", "secret"}[input.label]', f'5:17: label is never "secret"; {LABELS}'),
        ('x := {"secret": 1}[input.label]', f'5:7: label is never "secret"; {LABELS}'),
        (
            'x if { some y in {"secret"}; input.label == y }',
            f'5:45: label is never "secret"; {LABELS}',
        ),
        (
            'x if every y in {"secret"} { input.label != y }',
            f'5:45: label is never "secret"; {LABELS}',
        ),
        (
            'x if { ys := {"secret"}; input.label in ys }',
            f'5:41: label is never "secret"; {LABELS}',
        ),
        (
            'ys := {"secret"}\nx if input.label in ys',
            f'6:21: label is never "secret"; {LABELS}',
        ),
        (
            'ys contains "secret"\nx if input.label in data.situs.ys',
            f'6:21: label is never "secret"; {LABELS}',
        ),
        ("x if input.label == 1", f"5:21: label is a string, never 1; {LABELS}"),
        ("x if input.label != true", f"5:21: label is a string, never true; {LABELS}"),
        ("x if input.label == null", f"5:21: label is a string, never null; {LABELS}"),
        (
            "secret if input.tools\nx if input.label = secret",
            f"6:20: label is a string, never true; {LABELS}",
        ),
        (
            'x if input.label == {"public"}',
            "5:22: label is one string, never all of a set; write label in …",
        ),
        (
            'x if input.label in "public"',
            "5:21: label is never in one string; write ==, or a set after `in`",
        ),
        ('x if "public" in input.label', "5:6: label is one string, with nothing in it; write =="),
        (
            'x if input.objective == "chepest"',
            '5:25: objective is never "chepest"; the nearest word is cheapest_adequate',
        ),
        (
            'x if input.criticality == "high"',
            '5:27: criticality is never "high"; it is one of advisory, operational',
        ),
        (
            'x if { some r in input.label_reasons; r.source == "declard" }',
            '5:51: label_reasons.*.source is never "declard"; the nearest word is declared',
        ),
        (
            'x if "images" in input.modalities',
            '5:6: modalities.* is never "images"; the nearest word is image',
        ),
        (
            'x if { some m in input.modalities; m == "images" }',
            '5:41: modalities.* is never "images"; the nearest word is image',
        ),
        ('x if input.modalities == "image"', '5:26: modalities is an array, never "image"'),
        (
            'x if input.task == "Summarization"',
            '5:20: task is never "Summarization"; the nearest word is summarisation',
        ),
        ('x if input.language == "German"', f'5:24: language is never "German"; {LANGUAGE}'),
        ('x if input.home_jurisdiction == "de"', f'5:33: home_jurisdiction is never "de"; {CODE}'),
        (
            'x if input.home_jurisdiction == "UK"',
            '5:33: home_jurisdiction is never "UK"; the code is GB',
        ),
        (
            "x if { " + ALL + 'd.locus.jurisdiction in {"DE", "EU"} }',
            (
                '5:68: deployments.*.locus.jurisdiction is never "EU"; '
                "name its member states in a set, after `in`"
            ),
        ),
        (
            "x if { " + ALL + 'd.locus.jurisdiction == "Germany" }',
            f'5:61: deployments.*.locus.jurisdiction is never "Germany"; {CODE}',
        ),
        (
            "x if { " + ALL + 'd.locus.retention <= "30d" }',
            (
                "5:58: deployments.*.locus.retention has durations as text, and <= goes by the "
                "alphabet; compare with ==, or with `in` and a set of words"
            ),
        ),
        ('x if input.prompt_tokens < "1000"', '5:28: prompt_tokens is a number, never "1000"'),
        ('x if input.tools == "true"', '5:21: tools is a boolean, never "true"'),
    ],
)
def test_what_a_field_never_is_is_refused(tmp_path, text, problem):
    assert said(tmp_path, text) == [f"p.rego:{problem}"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('input.label >= "confidential"', 'write label in {"confidential", "restricted"}'),
        ('input.label > "confidential"', 'write label in {"restricted"}'),
        ('input.label < "internal"', 'write label in {"public"}'),
        ('"internal" >= input.label', 'write label in {"public", "internal"}'),
        ('input.label > "restricted"', "compare with ==, or with `in` and a set of words"),
        ("input.label < input.task", "compare with ==, or with `in` and a set of words"),
        ("input.label < input.needs", "compare with ==, or with `in` and a set of words"),
    ],
)
def test_words_have_no_order_in_a_policy(tmp_path, text, meant):
    [problem] = said(tmp_path, f"x if {text}")
    assert "label has words, and " in problem
    assert problem.endswith(f"goes by the alphabet; {meant}")


@pytest.mark.parametrize(
    "text",
    [
        "x if { some d in input.deployments; l := d.locus; k := l.kind; k == WORD }",
        "x if { " + ALL + "near(d) }\nnear(d) if here(d.locus)\nhere(l) if l.kind == WORD",
        "x if { " + ALL + "here(d.locus) }\nhere(l) := l.kind == WORD",
        "x if { " + ALL + "here(d.locus.kind) }\nhere(k) if k in {WORD}",
        "x if { " + ALL + 'rank(d.locus.kind) > 1 }\nrank("edge") := 1\nrank(WORD) := 2',
    ],
)
def test_fields_are_followed_through_names_and_functions(tmp_path, text):
    [problem] = said(tmp_path, text.replace("WORD", '"onprem"'))
    assert 'deployments.*.locus.kind is never "onprem"; the nearest word is on_prem' in problem
    assert said(tmp_path, text.replace("WORD", '"on_prem"')) == []


def test_a_field_that_a_function_misspells_is_refused(tmp_path):
    [problem] = said(tmp_path, "x if { " + ALL + "near(d.locus) }\nnear(l) if l.knd")
    assert "input has no deployments.*.locus.knd; the nearest name is kind" in problem


@pytest.mark.parametrize(
    "text",
    [
        'near(k) if k == "moon"\nx if { ' + ALL + "near(d.locus.kind); near(d.name) }",
        'near(k) if k == "moon"\nx if near(lower(input.label))',
        'x if input.task in {"code", "agent_step"}',
        'x if input.language in {"und", "de", "deu"}',
        "x if { " + ALL + 'd.locus.jurisdiction in {"", "ZZ", "DE"} }',
        "x if { " + ALL + 'd.locus.retention in {"none", "30d"} }',
        'x if input.findings.iban == 2\ny if input.findings["iban"] > 1',
        'x if input.objective in {null, "best"}',
        "x if input.route != null",
        'x if { some d in input.deployments; d.price != null; d.price.currency == "EUR" }',
        'x if input.time < "2030"',
        "x if { input.time_unix > 1; input.version == 1 }",
        "x if { " + ALL + "d.model.capability == input.needs }",
        "x if { " + ALL + "rank[d.model.capability] >= rank[input.needs] }\n"
        'rank := {"rule": 0, "tiny": 1, "small": 2, "medium": 3, "frontier": 4}',
        'x if input.modalities == ["text"]',
        'x if { "image" in input.modalities; input.wire == "openai.chat" }',
        'k := "edge" if input.tools\nx if { ' + ALL + "d.locus.kind == k }",
    ],
)
def test_what_a_field_can_be_is_accepted(tmp_path, text):
    assert said(tmp_path, text) == []


def test_a_test_may_make_up_words_but_not_variables(tmp_path):
    from situs.errors import PolicyError
    from situs.rego.testing import run_tests

    (tmp_path / "p.rego").write_text(HEAD + GOOD, encoding="utf-8")
    made_up = tmp_path / "p_test.rego"
    head = "package p_test\nimport rego.v1\n"
    made_up.write_text(head + 'test_x if input.label == "moon" with input.label as "moon"\n')
    assert [one.passed for one in run_tests([tmp_path]).outcomes] == [True]
    made_up.write_text(head + "test_x if input.label = moon\n")
    with pytest.raises(PolicyError) as refused:
        run_tests([tmp_path])
    assert always("moon") in refused.value.message


CLOSED = {
    ("label",): Label,
    ("needs",): CapabilityClass,
    ("wire",): Wire,
    ("objective",): Objective,
    ("modalities", "*"): Modality,
    ("label_reasons", "*", "label"): Label,
    ("deployments", "*", "locus", "kind"): LocusKind,
    ("deployments", "*", "locus", "key_custody"): KeyCustody,
    ("deployments", "*", "locus", "training_use"): TrainingUse,
    ("deployments", "*", "model", "capability"): CapabilityClass,
    ("deployments", "*", "model", "modalities", "*"): Modality,
}


@pytest.mark.parametrize(("path", "words"), CLOSED.items(), ids=str)
def test_the_words_of_a_field_are_those_of_the_vocabulary(path, words):
    found = field(path)
    assert found is not None
    assert found.words == tuple(str(word.value) for word in words)


@given(st.sampled_from(LocusKind), st.sampled_from("_- "), st.booleans())
def test_a_word_is_found_whatever_its_case_and_dashes(kind, dash, upper):
    written = kind.value.replace("_", dash)
    words = tuple(one.value for one in LocusKind)
    assert nearest(written.upper() if upper else written, words) == kind.value


NAMES = "findings is an object, and `in` looks among its values, not its names"
HOW_NAMES = "write input.findings[kind] > 0, or in object.keys(input.findings)"
ANY_CARD = "none is `not input.findings.card`, any is `input.findings.card > 0`"
NO_CARD = "findings.card is not there where none was found, and"
RANK = 'rank them: {"public": 0, "internal": 1, …}[…]'
MOMENT = "it is a moment in UTC: 2026-01-01T00:00:00Z; the time alone, time.clock"
NS = "write time.parse_rfc3339_ns(input.time)"
STOPS = "an error in a function denies everything"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('x if "card" in input.findings', f"5:6: {NAMES}; {HOW_NAMES}"),
        ("x if { some k in {KINDS}; k in input.findings }", f"5:36: {NAMES}; {HOW_NAMES}"),
        (
            "ks := {KINDS}\nx if { some k in ks; k in input.findings }",
            f"6:22: {NAMES}; {HOW_NAMES}",
        ),
        ("f(k) if k in input.findings", f"5:9: {NAMES}; {HOW_NAMES}"),
        (
            'x if "acme" in input.principal',
            (
                "5:6: principal is an object, and `in` looks among its values, not its names; "
                "name one of its members, or write in object.keys(…)"
            ),
        ),
        (
            "x if input.findings == {KINDS}",
            "5:25: findings is an object, never a set; compare object.keys(…) with it",
        ),
        (
            'x if object.keys(input.findings) == ["card"]',
            "5:38: object.keys of findings is a set, never an array; write a set",
        ),
        (
            'x if input.modalities == {"text"}',
            "5:27: modalities is an array, never a set; write … in it",
        ),
        (
            'x if input.label in {"public": 1}',
            (
                "5:22: `in` looks for label among the values of an object, not its keys; "
                "write a set after `in`"
            ),
        ),
        (
            'x if { some n; input.deployments[n].locus.owned; n == "cloud" }',
            '5:55: a key of deployments is a number, never "cloud"',
        ),
        (
            "x if input.prompt_tokens == input.label",
            (
                "5:29: prompt_tokens is a number, and label is a string; "
                "what is of different types is never equal, and has no order"
            ),
        ),
    ],
)
def test_what_is_in_an_object_and_what_is_of_another_type_is_refused(tmp_path, text, problem):
    assert said(tmp_path, text.replace("KINDS", '"card", "iban"')) == [f"p.rego:{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "input.findings.card == 0",
            f"findings.card is 1 or more, or not there, so == 0 never holds; {ANY_CARD}",
        ),
        (
            'not input.findings["card"] < 1',
            f"findings.card is 1 or more, or not there, so < 1 never holds; {ANY_CARD}",
        ),
        (
            "n := input.findings.card; n <= 0",
            f"findings.card is 1 or more, or not there, so <= 0 never holds; {ANY_CARD}",
        ),
        ("input.findings.card >= 0", f"{NO_CARD} >= 0 does not hold then; {ANY_CARD}"),
        (
            "not input.findings.card < 5",
            f"{NO_CARD} < 5 does not hold then; write `not input.findings.card >= 5`",
        ),
        (
            "5 > input.findings.card",
            f"{NO_CARD} < 5 does not hold then; write `not input.findings.card >= 5`",
        ),
        (
            "input.findings.card != 1",
            f"{NO_CARD} != 1 does not hold then; write `not input.findings.card == 1`",
        ),
        (
            'every k in {"card"} { input.findings[k] == 0 }',
            (
                "findings.* is 1 or more, or not there, so == 0 never holds; "
                "none is `not input.findings[…]`, any is `input.findings[…] > 0`"
            ),
        ),
        (
            "some _, n in input.findings; n == 0",
            (
                "findings.* is 1 or more, or not there, so == 0 never holds; "
                "none is `not input.findings[…]`, any is `input.findings[…] > 0`"
            ),
        ),
    ],
)
def test_a_kind_that_was_not_found_is_not_there(tmp_path, text, problem):
    [told] = said(tmp_path, "x if { " + text + " }")
    assert told.partition(": ")[2] == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("input.route", "route by itself always holds, whatever it is; write route != null"),
        ("not input.route", "`not route` never holds, whatever it is; write route == null"),
        ("not input.data", "`not data` never holds, whatever it is; write count(…) == 0"),
        ("input.findings", "findings by itself always holds, whatever it is; write count(…) > 0"),
        ("input.label", "label by itself always holds, whatever it is; compare it with something"),
        (
            "some d in input.deployments; d.price",
            (
                "deployments.*.price by itself always holds, whatever it is; "
                "write deployments.*.price != null"
            ),
        ),
        (
            'some d in input.deployments; d.locus.evidence_until < "2027-01-01"',
            (
                "deployments.*.locus.evidence_until is null where nobody knows it, and null is "
                "less than anything; write evidence_until != null beside it"
            ),
        ),
        (
            "some d in input.deployments; not d.price.prompt > 1",
            (
                "deployments.*.price is null where nobody knows it, and `not` then holds; "
                "write price != null beside it"
            ),
        ),
        ('input.time > "18:00"', f'time is never "18:00"; {MOMENT}'),
        (
            'input.time == "2026-01-01"',
            (
                "time is a moment, which hardly any request is of; "
                'write startswith(input.time, "2026-01-01"), or compare with < and >='
            ),
        ),
        (
            "input.time_unix > 1767225600000",
            "time_unix is in seconds, never 1767225600000; leave out what is finer",
        ),
        (
            "time.clock(input.time_unix)[0] > 18",
            f"time_unix is no time in nanoseconds, which time.clock takes; {NS}",
        ),
        (
            'time.weekday(input.time) == "Sunday"',
            f"time is no time in nanoseconds, which time.weekday takes; {NS}",
        ),
        (
            "count(input.findings.card) > 0",
            "findings.card is a field of type number, and count takes array, object, set, string; "
            + STOPS,
        ),
        (
            'startswith(input.modalities, "im")',
            f"modalities is a field of type array, and startswith takes string; {STOPS}",
        ),
        (
            "sort([r.label | some r in input.label_reasons]) == []",
            f"label_reasons.*.label has an order of its own, and sort goes by the alphabet; {RANK}",
        ),
        (
            'max({input.label, "internal"}) == "restricted"',
            f"label has an order of its own, and max goes by the alphabet; {RANK}",
        ),
    ],
)
def test_what_always_or_never_holds_is_refused(tmp_path, text, problem):
    [told] = said(tmp_path, "x if { " + text + " }")
    assert told.partition(": ")[2] == problem


@pytest.mark.parametrize(
    "text",
    [
        "input.findings.card > 0",
        "not input.findings.card",
        "not input.findings.card > 4",
        "input.findings.card",
        "input.findings.card != 0",
        "input.findings.card >= 1; input.findings.card < 5",
        'some kind, n in input.findings; n < 5; startswith(kind, "c")',
        'object.get(input.findings, "card", 0) == 0',
        '"card" in object.keys(input.findings)',
        'object.keys(input.findings) == {"card"}',
        "count(object.keys(input.findings)) > 1",
        "1 in input.findings",
        "input.tools",
        "not input.session",
        'not input.route == "billing"',
        "input.deployments[_]",
        "some d in input.deployments; d.price.prompt",
        "some d in input.deployments; d.price != null; not d.price.prompt > 1",
        "some d in input.deployments; d.price.prompt < 1",
        'some d in input.deployments; u := d.locus.evidence_until; u != null; u < "2027"',
        'input.time >= "2026-01-01T18:00"',
        'startswith(input.time, "2026-01-01")',
        "time.clock(time.parse_rfc3339_ns(input.time))[0] > 18",
        "input.time_unix > 1767225600",
        "count(input.findings) > 0",
        "count(input.language) > 2",
        "max({input.prompt_tokens, 5}) > 10",
        "input.prompt_tokens > input.completion_tokens",
        'input.modalities == ["text"]',
    ],
)
def test_what_says_what_it_means_is_accepted(tmp_path, text):
    assert said(tmp_path, "x if { " + text + " }") == []
