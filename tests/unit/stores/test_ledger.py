"""Sums over the ledger, and `situs usage`."""

import asyncio
import csv
import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from bench.receipts import decided, outcome
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.stores.writing import writing

from situs.cli.main import cli
from situs.cli.when import when
from situs.core.label import Label
from situs.core.record import Usage
from situs.core.request import Principal
from situs.core.route import Routed, RoutedBy
from situs.stores.database import INDEX_FILE
from situs.stores.ledger import GROUPS, lengths, usage
from situs.stores.schema import COUNTED_SINCE
from situs.stores.upkeep import rebuild

DAY = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def put(writer, number, *, tenant="a", at=DAY, owned=True, sent=True, **end):
    """One request that ended; what is said of it besides goes into its outcome."""
    one = decided(number, b"x")
    asked = replace(one.request, principal=Principal(tenant, f"key-{tenant}"))
    found = replace(one.decision.analysis, label=Label.INTERNAL if sent else Label.RESTRICTED)
    if number % 2:
        found = replace(found, routed=Routed("odd", RoutedBy.SAMPLES))
    fleet = one.fleet
    if not owned:
        there = [
            replace(d, locus=replace(d.locus, name="cloud", owned=False)) for d in fleet.deployments
        ]
        fleet = replace(fleet, deployments=tuple(there), digest="c" * 64)
    decision = replace(one.decision, analysis=found, fleet=fleet.digest)
    asyncio.run(writer.decided(replace(one, request=asked, decision=decision, fleet=fleet)))
    ended = outcome(number)
    tries = tuple(replace(a, locus=fleet.deployments[0].locus.name) for a in ended.attempts)
    nothing = {"usage": None, "cost": None, "saved": None, "currency": None, "status": 403}
    facts = {"at": at, "attempts": tries} if sent else {"at": at, "attempts": (), **nothing}
    writer.ended(replace(ended, **{**facts, **end}))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    data = tmp_path_factory.mktemp("used")
    with writing(data) as writer:
        put(writer, 0, cost=1.0, saved=0.5)
        put(writer, 1, at=DAY + 3599, cost=2.0, currency="USD")
        put(writer, 2, tenant="b", owned=False, at=DAY + 3600, usage=Usage(100, 10, 60))
        put(writer, 3, tenant="b", at=DAY + 86400, usage=None, cost=None, currency=None)
        put(writer, 4, tenant="b", sent=False, at=DAY + 86400, code="placement_denied")
    rebuild(data)
    return data


def by(data, group, **span):
    return {row.group: row for row in usage(data / INDEX_FILE, group, **span)}


def counts(rows):
    return {name: row.requests for name, row in rows.items()}


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("deployment", {"d0": 4, None: 1}),
        ("tenant", {"a": 2, "b": 3}),
        ("key", {"key-a": 2, "key-b": 3}),
        ("locus", {"rack-1": 3, "cloud": 1, None: 1}),
        ("label", {"internal": 4, "restricted": 1}),
        ("route", {"odd": 2, None: 3}),
        ("day", {"2026-03-01": 3, "2026-03-02": 2}),
        ("hour", {"2026-03-01T00:00Z": 2, "2026-03-01T01:00Z": 1, "2026-03-02T00:00Z": 2}),
    ],
)
def test_requests_are_counted_by_every_group(data, group, expected):
    assert counts(by(data, group)) == expected


def test_every_group_is_tested_above():
    marks = test_requests_are_counted_by_every_group.pytestmark
    assert {case[0] for case in marks[0].args[1]} == set(GROUPS)


def test_money_is_by_currency_and_never_converted(data):
    row = by(data, "tenant")["a"]
    assert row.cost == {"EUR": 1.0, "USD": 2.0}
    assert row.saved == {"EUR": 0.5, "USD": 0.0}
    assert by(data, "label")["restricted"].cost == {}


def test_tokens_that_are_unknown_count_as_none(data):
    row = by(data, "tenant")["b"]
    assert (row.prompt_tokens, row.cached_prompt_tokens, row.completion_tokens) == (100, 60, 10)


@pytest.mark.parametrize("absurd", [-5, 1 << 48, 1 << 63, (1 << 64) - 1, 10**30])
def test_tokens_that_no_text_can_have_are_unknown(tmp_path, absurd):
    with writing(tmp_path) as writer:
        put(writer, 1, usage=Usage(absurd, 7, absurd))
        put(writer, 2, usage=Usage(3, absurd))
    rebuild(tmp_path)
    [row] = usage(tmp_path / INDEX_FILE)
    assert row.requests == 2
    assert (row.prompt_tokens, row.cached_prompt_tokens, row.completion_tokens) == (3, 0, 7)


def test_the_owned_share_is_of_what_was_sent(data):
    rows = by(data, "tenant")
    assert (rows["a"].sent, rows["a"].owned, rows["a"].owned_share) == (2, 2, 1.0)
    assert (rows["b"].sent, rows["b"].owned, rows["b"].owned_share) == (2, 1, 0.5)
    assert by(data, "label")["restricted"].owned_share is None


@pytest.mark.parametrize(
    ("since", "until", "requests"),
    [
        (DAY, None, 5),
        (DAY + 1, None, 4),
        (DAY + 3599, DAY + 3600, 1),
        (DAY + 3600, DAY + 86400, 1),
        (None, DAY + 3600, 2),
        (None, DAY, 0),
        (DAY + 86401, None, 0),
    ],
)
def test_a_span_is_from_since_to_before_until(data, since, until, requests):
    rows = usage(data / INDEX_FILE, since=since, until=until)
    assert sum(row.requests for row in rows) == requests


def test_lengths_of_answers_are_those_of_requests_answered_in_full_newest_first(tmp_path):
    with writing(tmp_path) as writer:
        put(writer, 0, usage=Usage(10, 20))
        put(writer, 1, at=DAY + 1, usage=Usage(10, 30))
        put(writer, 2, at=DAY + 2, usage=None)
        put(writer, 3, at=DAY + 3, usage=Usage(10, 40), status=502)
        put(writer, 4, at=DAY + 4, sent=False)
        put(writer, 5, at=DAY + 5, usage=Usage(10, 0))
    rebuild(tmp_path)
    found = lengths(tmp_path / INDEX_FILE)
    assert [tokens for _, _, tokens in found] == [30, 20]
    assert {task for _, task, _ in found} == {decided(0, b"x").decision.analysis.task}
    assert lengths(tmp_path / INDEX_FILE, limit=1) == found[:1]


def test_times_come_in_order_and_other_groups_by_weight(data):
    assert [row.group for row in usage(data / INDEX_FILE, "day")] == ["2026-03-01", "2026-03-02"]
    assert [row.group for row in usage(data / INDEX_FILE, "tenant")] == ["b", "a"]


# The command


def run(*args):
    return CliRunner().invoke(cli, ["usage", *map(str, args)], catch_exceptions=False)


def test_it_is_said_of_how_many_requests_the_tokens_were_counted(tmp_path):
    with writing(tmp_path) as writer:
        put(writer, 0, usage=Usage(100, 10, counted=True))
        put(writer, 1, usage=Usage(50, 5))
        put(writer, 2, tenant="b", usage=None)
    rebuild(tmp_path)
    rows = {row.group: row for row in usage(tmp_path / INDEX_FILE, "tenant")}
    assert (rows["a"].counted, rows["a"].prompt_tokens, rows["b"].counted) == (1, 150, 0)
    table = run("--by", "tenant", "--data", tmp_path).output.splitlines()
    assert "counted" in table[0]
    [first, *told] = csv.reader(
        io.StringIO(run("--by", "tenant", "--csv", "--data", tmp_path).output)
    )
    assert [row[first.index("counted")] for row in told] == ["1", "0"]


def test_an_index_that_nobody_has_brought_up_yet_is_summed_all_the_same(tmp_path):
    with writing(tmp_path) as writer:
        put(writer, 0)
    rebuild(tmp_path)
    with closing(sqlite3.connect(tmp_path / INDEX_FILE)) as db:
        db.execute("ALTER TABLE ledger DROP COLUMN counted")
        db.execute(f"PRAGMA user_version = {COUNTED_SINCE - 1}")
        db.commit()
    [row] = usage(tmp_path / INDEX_FILE)
    assert (row.requests, row.counted) == (1, 0)


def test_the_table_has_a_line_for_each_and_one_for_all(data):
    lines = run("--by", "tenant", "--data", data).output.splitlines()
    assert [line.split()[0] for line in lines] == ["tenant", "b", "a", "all"]
    assert lines[0].split()[-1] == "owned"
    used = "2 1024 0 400 0 1.0000 EUR, 2.0000 USD 0.5000 EUR, 0.0000 USD 100%"
    assert lines[2].split()[1:] == used.split()
    assert lines[3].split()[1] == "5"
    assert lines[3].endswith("75%")
    assert "nothing was used" in run("--until", "2000-01-01", "--data", data).output


def test_csv_has_columns_for_each_currency(data):
    [first, *rows] = csv.reader(io.StringIO(run("--by", "tenant", "--csv", "--data", data).output))
    assert first[0] == "tenant"
    table = {row[0]: dict(zip(first, row, strict=True)) for row in rows}
    assert table["a"]["cost_USD"] == "2.0"
    assert table["b"]["cost_USD"] == ""
    assert table["b"]["requests"] == "3"


def test_json_is_the_rows(data):
    rows = json.loads(run("--by", "day", "--since", "2026-03-02", "--json", "--data", data).output)
    assert [(row["group"], row["requests"]) for row in rows] == [("2026-03-02", 2)]


@given(st.integers(0, 999_999_999), st.sampled_from("smhdw"))
def test_a_time_may_be_so_long_ago(count, unit):
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    now = datetime.now(UTC).timestamp()
    assert when(f"{count}{unit}") == pytest.approx(now - count * seconds, abs=60)


def test_a_time_is_utc_unless_it_says_otherwise():
    assert when("2026-03-01") == DAY
    assert when("2026-03-01T01:00:00+01:00") == DAY
    assert when("2026-03-01T00:00:30") == DAY + 30


def test_what_is_no_time_is_refused(data):
    refused = run("--since", "yesterday", "--data", data)
    assert refused.exit_code == 2
    assert "not a time; say 7d" in refused.output
