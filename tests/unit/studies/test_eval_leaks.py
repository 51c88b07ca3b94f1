"""What would leave is counted as it would be sent; the bounds are those of the binomial."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make

from situs.analysis import DEFAULT_FLOORS
from situs.app.leaks import parse
from situs.core.fleet import LocusKind
from situs.core.snapshot import Labels, Policy
from situs.errors import ConfigError, OperatorError
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.studies.eval_leaks import CUT, bundled, evaluate, interval, over

CARD = "4111 1111 1111 1111"
CLOUD = make.locus("cloud", LocusKind.PUBLIC_CLOUD)


def snapshot(*owed, policy=None):
    own = make.deployment("own")
    view = make.view(own, make.deployment("cloud", locus=CLOUD))
    told = {"allow": ["own", "cloud"], "deny": [], "obligations": list(owed)}
    given = policy or Policy(lambda _: told, "p", frozenset())
    return replace(make.snapshot(view, given), labels=Labels(DEFAULT_FLOORS))


def row(text, *, sensitive=True, kind="card", **fields):
    return {"text": text, "sensitive": sensitive, "kinds": [kind], **fields}


def groups(rows, *owed, **options):
    return evaluate(rows, parse, snapshot(*owed, **options), 0.0)["groups"]


def test_what_policy_allows_outside_has_left():
    found = groups([row(f"card {CARD}"), row("nothing", sensitive=False)])
    assert (found["structured"]["left"], found["clean"]["left"]) == (1, 1)


def test_what_the_default_policy_keeps_has_not_left():
    policy = load([shipped()])
    found = groups([row(f"card {CARD}"), row("Hello.", sensitive=False)], policy=policy)
    assert (found["structured"]["left"], found["clean"]["left"]) == (0, 1)


@pytest.mark.parametrize("kind", ["redact", "pseudonymise"])
def test_what_leaves_without_its_values_has_not_leaked(kind):
    owed = {"kind": kind, "deployment": "cloud"}
    rows = [
        row(f"my card {CARD}", values=[CARD]),
        row("the project Blue Heron", kind="project", values=["Blue Heron"]),
        row(f"my card {CARD}, project Blue Heron", values=["blue-heron"]),
        row(f"my card {CARD}"),
    ]
    figures = evaluate(rows, parse, snapshot(owed), 0.0)
    assert figures["by_kind"]["card"]["left"] == 2
    assert figures["by_kind"]["project"]["left"] == 1


def test_what_waits_for_a_person_has_not_left():
    found = groups([row("x")], {"kind": "hold_for_approval", "deployment": "cloud"})
    assert found["structured"]["left"] == 0


def test_names_and_addresses_are_a_group_of_their_own():
    rows = [
        row("x", kind="person"),
        row("x", kinds=["person", "card"]),
        row("x", kind="secret_plan"),
    ]
    found = groups(rows)
    assert (found["names"]["rows"], found["structured"]["rows"]) == (1, 2)


def test_other_wires_and_whole_documents_are_rows_too():
    rows = [
        {"document": {"input": ["x", f"card {CARD}"]}, "sensitive": True},
        {"document": {"prompt": "x"}, "sensitive": True},
        {"messages": [{"role": "system", "content": "x"}], "sensitive": True},
    ]
    assert groups(rows)["structured"]["rows"] == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x", "messages": []},
        {},
        {"messages": []},
        {"document": {"messages": [{"content": "x"}]}},
    ],
)
def test_a_row_that_is_no_request_is_told_by_its_line(wrong):
    with pytest.raises(ConfigError, match=r"rows\.jsonl:7"):
        groups([{**wrong, "sensitive": True, "at": "rows.jsonl:7"}])


def test_where_all_is_owned_nothing_is_measured():
    alone = make.snapshot(make.view(make.deployment("own")))
    with pytest.raises(OperatorError, match="owned"):
        evaluate([row("x")], parse, alone, 0.0)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (0, 10, 0.0, 0.30850),  # tables of Clopper and Pearson
        (1, 10, 0.00253, 0.44502),
        (5, 10, 0.18709, 0.81291),
        (10, 10, 0.69150, 1.0),
        (0, 500, 0.0, 0.00735),
    ],
)
def test_bounds_are_those_of_the_tables(part, whole, low, high):
    assert interval(part, whole) == pytest.approx((low, high), abs=1e-5)


def test_without_rows_nothing_is_known():
    assert interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bounds_hold_the_share_and_mirror(pair):
    part, whole = pair
    low, high = interval(part, whole)
    assert 0 <= low <= part / whole <= high <= 1
    mirrored = interval(whole - part, whole)
    assert math.isclose(low, 1 - mirrored[1]) or low < 1e-12


def test_what_is_worse_than_allowed_is_said():
    figures = evaluate([row("x"), row("x", sensitive=False)], parse, snapshot(), 0.0)
    assert over(figures, {"structured": 1.0}, 1.0) == []
    assert over(figures, {"structured": 0.5}, 0.0) == ["structured: 1 of 1 would have left"]
    assert over(figures, {"names": 0.0}, 1.0) == []


def test_the_bundled_rows_are_whole_and_hold_what_they_say():
    rows = bundled()
    sensitive = [one for one in rows if one["sensitive"]]
    assert len(sensitive) >= 600
    assert len(rows) - len(sensitive) >= 300
    for one in rows:
        said = str([one[name] for name in ("text", "messages", "document")])
        assert CUT not in said
        if one["sensitive"]:
            assert one["kinds"]
            assert one["values"]
