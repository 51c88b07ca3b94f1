"""What policy keeps out of logs: the receipt has it, and nothing that is made of receipts."""

import asyncio
import logging
import sqlite3

import msgspec
import pytest
from bench.receipts import decided, outcome
from msgspec.structs import replace
from tests.unit.stores.writing import writing
from tests.unit.telemetry.serving import served

from situs.core.decision import Obligation
from situs.core.record import Usage
from situs.core.request import Principal
from situs.core.route import Routed, RoutedBy
from situs.stores.database import INDEX_FILE
from situs.stores.decisions import Filters, tail
from situs.stores.facts import begun
from situs.stores.ledger import lengths, usage
from situs.stores.lines import decision_body
from situs.stores.upkeep import rebuild
from situs.telemetry.logs import ACCESS, log_access
from situs.telemetry.spans import spans_of

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
WORDS = ("secret-tenant", "secret-key", "secret-route", "secret-task", TRACE)


def asked(number, *owed):
    one = decided(number, b"x")
    principal = Principal("secret-tenant", "secret-key")
    routed = Routed("secret-route", RoutedBy.SAMPLES)
    analysis = replace(one.decision.analysis, task="secret-task", routed=routed)
    policy = replace(one.decision.policy, obligations=owed)
    return replace(
        one,
        request=replace(one.request, principal=principal, trace=TRACE),
        decision=replace(one.decision, analysis=analysis, policy=policy),
    )


QUIET = Obligation("no_log", "one-of-many")


@pytest.mark.parametrize(
    "owed", [[], [Obligation("redact")], [QUIET], [Obligation("redact"), QUIET]]
)
def test_what_is_counted_of_a_receipt_names_nobody_where_any_place_asks_for_it(owed):
    line = decision_body(asked(1, *owed), 0, b"salt")
    found = begun(line, "c", 0, 0, 0)
    hidden = QUIET in owed
    told = msgspec.json.encode(found).decode()
    assert [word in told for word in WORDS] == [not hidden] * len(WORDS)
    assert all(word.encode() in line for word in WORDS)


def test_the_index_has_totals_and_no_details(tmp_path):
    with writing(tmp_path) as writer:
        for number, owed in ((0, ()), (1, (QUIET,))):
            asyncio.run(writer.decided(asked(number, *owed)))
            writer.ended(replace(outcome(number), usage=Usage(10, 5), status=200))
    rebuild(tmp_path)
    index = tmp_path / INDEX_FILE
    rows = {row.group: row for row in usage(index, by="tenant")}
    assert set(rows) == {"secret-tenant", "(no_log)"}
    assert rows["(no_log)"].completion_tokens == 5
    [everything] = usage(index, by="label")
    assert (everything.requests, everything.prompt_tokens) == (2, 20)
    assert [task for _, task, _ in lengths(index)] == ["secret-task"]
    with sqlite3.connect(index) as db:
        for query in (
            "SELECT * FROM ledger WHERE tenant = '(no_log)'",
            "SELECT * FROM decisions WHERE tenant = '(no_log)'",
        ):
            found = db.execute(query).fetchall()
            assert len(found) == 1
            assert not [word for word in WORDS if word in str(found)]


def quiet():
    return served(tenant="(no_log)", key="(no_log)", task="(no_log)")


def test_there_is_no_line_about_it_in_the_access_log(caplog):
    caplog.set_level(logging.INFO, ACCESS)
    log_access([served(), quiet(), served()])
    assert len(caplog.records) == 2


def test_there_is_no_span_of_it_even_if_the_caller_samples():
    assert spans_of(replace(quiet(), trace=TRACE)) == []
    assert spans_of(replace(served(), trace=TRACE)) != []


@pytest.mark.parametrize("indexed", [True, False])
def test_it_is_found_under_no_tenant_with_the_index_or_without(tmp_path, indexed):
    with writing(tmp_path) as writer:
        for number, owed in ((0, ()), (1, (QUIET,))):
            asyncio.run(writer.decided(asked(number, *owed)))
            writer.ended(outcome(number))
    if indexed:
        rebuild(tmp_path)
    for tenant, number in (("secret-tenant", 0), ("(no_log)", 1)):
        [entry] = tail(tmp_path, 10, Filters(tenant=tenant))
        assert entry.id == decided(number, b"x").request.id
