"""Routes in the configuration: what is refused, with its line, and what becomes of the rest."""

from __future__ import annotations

import json

import pytest
from tests.unit.config.test_config_build import EXAMPLE

from situs.config.build import routes_of
from situs.config.load import load, parse
from situs.core.route import Route, Rule
from situs.errors import ConfigError

BASE = EXAMPLE.read_text()
HEAD = BASE[: BASE.index("# A route is a named kind")]
TAIL = BASE[BASE.index("# A locus is a place") :]


def with_routes(**routes) -> str:
    return f"{HEAD}routes: {json.dumps(routes)}\n{TAIL}"


def refused(**routes) -> str:
    with pytest.raises(ConfigError) as problem:
        parse(with_routes(**routes))
    return str(problem.value)


RULE = {"exact": "hi"}


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ({"r": {}}, "routes.r: needs samples or rules"),
        ({"r": {"samples": []}}, "routes.r: needs samples or rules"),
        ({"auto": {"rules": [RULE]}}, "routes.auto: reserved"),
        ({"large": {"rules": [RULE]}}, "routes.large: is also the name of a model"),
        ({"cloud-large": {"rules": [RULE]}}, "routes.cloud-large: is also the name of a depl"),
        ({"a b": {"rules": [RULE]}}, "expected a name of at most 64 letters"),
        ({"r": {"rules": [{}]}}, "routes.r.rules.0: needs exactly one of exact, keywords and"),
        ({"r": {"rules": [{"exact": "a", "pattern": "a"}]}}, "rules.0: needs exactly one"),
        ({"r": {"rules": [{"exakt": "a"}]}}, "rules.0.exakt: no such setting; did you mean exact?"),
        ({"r": {"rules": [RULE, RULE]}}, "routes.r.rules.1: listed twice"),
        ({"r": {"rules": [{"pattern": "(a"}]}}, "rules.0.pattern: not an RE2 expression: missing"),
        ({"r": {"rules": [{"keywords": ["a", "?!"]}]}}, "rules.0.keywords.1: holds no word"),
        ({"r": {"samples": ["..."]}}, "routes.r.samples.0: holds no word"),
        ({"r": {"samples": ["Hi you"]}, "s": {"samples": ["hi, you!"]}}, "s.samples.0: is also a"),
        (
            {"r": {"rules": [RULE], "deployments": ["cloud-larg"]}},
            "routes.r.deployments.0: no such deployment is configured; did you mean cloud-large?",
        ),
        ({"r": {"samples": ["a"], "answer": "x"}}, "routes.r.answer: has no effect without rules"),
        ({"r": {"rules": [RULE], "answer": "{"}}, "routes.r.answer: not a template: "),
        ({"r": {"rules": [RULE], "answer": "{x.y}"}}, "routes.r.answer: not a template: braces"),
        ({"r": {"rules": [RULE], "answer": "{x}"}}, "routes.r.rules.0: rule 0 has no group of"),
        (
            {"r": {"rules": [{"pattern": "(?P<nom>a)"}], "answer": "{nomm}"}},
            "rule 0 has no group of a name that the answer uses; did you mean nom?",
        ),
        (
            {"r": {"rules": [{"pattern": "(?P<x>a)"}, {"pattern": "b"}], "answer": "{x}"}},
            "routes.r.rules.1: rule 1 has no group",
        ),
    ],
)
def test_what_is_refused(routes, said):
    message = refused(**routes)
    assert said in message
    assert message.startswith(f"configuration:{HEAD.count(chr(10)) + 1}: ")


def test_each_problem_is_told_at_its_own_line():
    text = f"{HEAD}routes:\n  r:\n    rules:\n      - exact: a\n      - pattern: (b\n{TAIL}"
    with pytest.raises(ConfigError, match=f"configuration:{HEAD.count(chr(10)) + 5}: "):
        parse(text)


def test_no_problem_quotes_a_pattern():
    assert "canary" not in refused(r={"rules": [{"pattern": "canary("}]})


def test_the_routes_of_the_example():
    routes = routes_of(load(EXAMPLE))
    assert list(routes) == ["opening-hours", "billing"]
    hours, billing = routes.values()
    assert hours.rules[0] == Rule(keywords=("opening hours",))
    assert hours.rules[1].pattern is not None
    assert hours.answer is not None
    assert billing.deployments == {"local-smollm2"}
    assert len(billing.samples) == 3


def test_a_file_without_routes_has_none():
    assert routes_of(parse(HEAD + TAIL)) == {}


def test_everything_that_a_route_says_is_carried_over():
    said = {
        "samples": ["hello there"],
        "rules": [{"pattern": "(?P<x>a)"}],
        "deployments": ["cloud-large"],
        "answer": "{x}",
    }
    assert routes_of(parse(with_routes(r=said)))["r"] == Route(
        "r", ("hello there",), (Rule(pattern="(?P<x>a)"),), frozenset({"cloud-large"}), "{x}"
    )
