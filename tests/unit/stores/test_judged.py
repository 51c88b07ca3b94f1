"""What cascades saw in answers is kept by model, kind of request and class needed; the newest."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from bench.receipts import decided, outcome
from msgspec.structs import replace
from tests.unit.stores.test_index import FIXTURES
from tests.unit.stores.writing import writing

from situs.core.decision import Obligation
from situs.core.record import NO_LOG, End
from situs.core.route import Routed, RoutedBy
from situs.stores import judged as store
from situs.stores.judged import judged
from situs.stores.upkeep import rebuild


def ended(number, *tried, **facts):
    """An outcome with attempts of these models, confidences and ends."""
    made = outcome(number)
    attempts = tuple(
        replace(made.attempts[0], model=model, confidence=sure, end=end)
        for model, sure, end in tried
    )
    return replace(made, attempts=attempts, **facts)


def written(data, *outcomes, owed=(), routed=None):
    """A data directory in which these requests ended so."""
    with writing(data) as writer:
        for one in outcomes:
            record = decided(int(one.id[4:]), b"")
            policy = replace(record.decision.policy, obligations=owed)
            analysis = replace(record.decision.analysis, routed=routed)
            made = replace(record.decision, policy=policy, analysis=analysis)
            asyncio.run(writer.decided(replace(record, decision=made)))
            writer.ended(one)
    rebuild(data)
    return data


UNSURE = ended(1, ("small", 0.2, End.UNSURE), ("large", None, End.COMPLETE))
SURE = ended(2, ("small", 0.9, End.COMPLETE))


def test_answers_that_were_kept_and_those_that_were_not_are_there(tmp_path):
    found = judged(written(tmp_path / "data", UNSURE, SURE))
    assert [(one.id, one.model, one.confidence) for one in found] == [
        ("req-000000001", "small", 0.2),
        ("req-000000002", "small", 0.9),
    ]
    assert {(one.key, one.kind, one.needs) for one in found} == {("-", "chat", "small")}


def test_the_kind_is_the_route_where_there_is_one(tmp_path):
    routed = Routed("billing", RoutedBy.RULE)
    [one] = judged(written(tmp_path / "data", SURE, routed=routed))
    assert one.kind == "route:billing"


@pytest.mark.parametrize(
    "one",
    [
        ended(1, ("small", 0.9, End.CUT)),
        ended(1, ("small", 0.9, End.CLIENT_GONE)),
        ended(1, ("small", None, End.COMPLETE)),
        ended(1, ("small", 0.9, End.COMPLETE), copy_of="req-000000009"),
    ],
)
def test_half_answers_copies_and_what_nobody_judged_are_not(tmp_path, one):
    assert judged(written(tmp_path / "data", one)) == []


def test_what_is_not_to_be_logged_is_not(tmp_path):
    assert judged(written(tmp_path / "data", SURE, owed=(Obligation(NO_LOG),))) == []


def test_of_alike_ones_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST_ALIKE", 3)
    many = [ended(n, ("small", n / 10, End.COMPLETE)) for n in range(6)]
    data = written(tmp_path / "data", *many, ended(7, ("other", 0.5, End.COMPLETE)))
    assert [(one.model, one.confidence) for one in judged(data)] == [
        ("small", 0.3), ("small", 0.4), ("small", 0.5), ("other", 0.5)
    ]  # fmt: skip


def test_what_is_read_again_counts_once(tmp_path):
    data = written(tmp_path / "data", SURE)
    rebuild(data)
    assert len(judged(data)) == 1


def test_without_an_index_or_with_an_earlier_one_there_is_nothing(tmp_path):
    assert judged(tmp_path) == []
    shutil.copytree(FIXTURES[0], tmp_path / "data")
    assert judged(tmp_path / "data") == []
