"""Loading, evaluating, testing: the engine with real files."""

from __future__ import annotations

import threading

import msgspec
import pytest

from situs.core.label import Label
from situs.errors import PolicyError
from situs.policy import judge
from situs.policy.input import input_document
from situs.rego.builtins import ALLOWED
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.rego.modules import digest, read_modules
from situs.rego.sample import sample_facts
from situs.rego.testing import run_tests

RULES = """package situs

allow contains d.name if some d in input.deployments

deny contains {"deployment": d.name, "code": "c"} if {
	some d in input.deployments
	d.locus.kind == "public_cloud"
}
"""


def test_a_loaded_policy_answers_with_a_verdict():
    policy = load([shipped("default")])
    answer = policy.evaluate(input_document(sample_facts(Label.RESTRICTED)))
    assert answer["allow"] == ["device-example", "edge-example", "on_prem-example"]
    assert {one["code"] for one in answer["deny"]} == {"not_owned_premises"}


def test_every_builtin_on_the_list_is_one_of_the_engines(tmp_path):
    calls = [f"x{n} := y if y := {name}(1)\n" for n, name in enumerate(sorted(ALLOWED))]
    for n, call in enumerate(calls):
        (tmp_path / f"{n}.rego").write_text(RULES + call, encoding="utf-8")
        try:
            load([tmp_path / f"{n}.rego"])
        except PolicyError as refused:
            assert "could not find function" not in refused.message  # noqa: PT017


def test_off_its_thread_a_policy_denies_and_says_why():
    policy = load([shipped("default")])
    facts = sample_facts(Label.PUBLIC)
    snapshot = msgspec.structs.replace(facts.snapshot, policy=policy)
    seen: list[object] = []

    def elsewhere() -> None:
        seen.append(judge(facts.request, facts.analysis, snapshot, facts.now).error)
        try:
            policy.evaluate(b"{}")
        except RuntimeError as problem:
            seen.append(str(problem))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == ["engine_failed", "a policy is evaluated only on the thread that loaded it"]
    assert judge(facts.request, facts.analysis, snapshot, facts.now).allowed


def test_the_digest_depends_on_names_and_texts_and_not_on_where_they_lie(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.rego").write_text(RULES, encoding="utf-8")
    one, two = load([tmp_path / "one"]).digest, load([tmp_path / "two"]).digest
    assert one == two
    (tmp_path / "two" / "p.rego").write_text(RULES + "\n", encoding="utf-8")
    assert load([tmp_path / "two"]).digest != one
    (tmp_path / "one" / "p.rego").rename(tmp_path / "one" / "q.rego")
    assert load([tmp_path / "one"]).digest != one


def test_tests_are_no_part_of_a_policy(tmp_path):
    (tmp_path / "p.rego").write_text(RULES, encoding="utf-8")
    alone = load([tmp_path]).digest
    (tmp_path / "p_test.rego").write_text("package situs\nallow contains 1\n", encoding="utf-8")
    assert load([tmp_path]).digest == alone == digest(read_modules([tmp_path]))


@pytest.mark.parametrize("name", ["none.rego", "empty", "latin.rego"])
def test_what_cannot_be_read_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.rego").write_bytes(b"package situs # \xe9\n")
    with pytest.raises(PolicyError, match=name):
        load([tmp_path / name])


def test_no_policy_is_refused():
    with pytest.raises(PolicyError):
        load([])


@pytest.mark.parametrize("name", ["default", "default.rego", "examples/confidential_on_prem"])
def test_shipped_policies_load_and_their_tests_pass(name):
    assert load([shipped(name)]).reads <= {"label", "data", "deployments", "home_jurisdiction"}
    outcomes = run_tests([shipped(name)]).outcomes
    assert [one.name for one in outcomes if not one.passed] == []
    assert len(outcomes) >= 4


@pytest.mark.parametrize("name", ["nothing", "../pyproject", "default_test"])
def test_what_does_not_ship_is_refused(name):
    with pytest.raises(PolicyError, match="default"):
        shipped(name)


def test_a_failing_a_false_and_a_broken_test_are_told_apart(tmp_path):
    (tmp_path / "p.rego").write_text(RULES, encoding="utf-8")
    (tmp_path / "p_test.rego").write_text(
        "package p_test\n"
        "import data.situs\n"
        'test_good if count(situs.allow) == 0 with input as {"deployments": []}\n'
        "test_bad if count(situs.allow) == 1\n"
        "test_number := 1\n"
        'test_broken if to_number("x") > 0\n',
        encoding="utf-8",
    )
    outcomes = run_tests([tmp_path / "p.rego"]).outcomes
    assert [(one.name, one.line, one.passed, bool(one.problem)) for one in outcomes] == [
        ("p_test.test_good", 3, True, False),
        ("p_test.test_bad", 4, False, False),
        ("p_test.test_number", 5, False, False),
        ("p_test.test_broken", 6, False, True),
    ]


def test_a_policy_without_tests_is_said_to_have_none(tmp_path):
    (tmp_path / "p.rego").write_text(RULES, encoding="utf-8")
    with pytest.raises(PolicyError, match="no tests"):
        run_tests([tmp_path])


def test_a_test_that_calls_itself_is_refused_before_it_runs(tmp_path):
    (tmp_path / "p.rego").write_text(RULES, encoding="utf-8")
    (tmp_path / "p_test.rego").write_text(
        "package p_test\nf(x) := f(x)\ntest_x if f(1)\n", encoding="utf-8"
    )
    with pytest.raises(PolicyError, match="depend on itself"):
        run_tests([tmp_path])
