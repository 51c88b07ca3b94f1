"""The day until which what is said of a locus counts."""

from __future__ import annotations

import pytest
from tests.unit.config.test_config_load import BASE, problems

from situs.config.build import fleet_of
from situs.config.load import parse
from situs.core.fleet import Transit


def with_facts(facts: str) -> str:
    return BASE.replace("retention: 30d}", f"retention: 30d, {facts}}}", 1)


def test_a_locus_says_until_when_and_who_else_passes_it_on():
    config = parse(with_facts("evidence_until: 2027-06-30, transit: third_party"))
    loci = {one.locus.name: one.locus for one in fleet_of(config, {"Tiny.Q4": "0" * 64})}
    assert (loci["cloud"].evidence_until, loci["cloud"].transit) == (
        "2027-06-30",
        Transit.THIRD_PARTY,
    )
    assert (loci["box"].evidence_until, loci["box"].transit) == (None, Transit.UNKNOWN)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ("evidence_until: 2027-02-30", "loci.cloud.evidence_until: there is no such day"),
        ("evidence_until: 30.6.2027", "loci.cloud.evidence_until: expected a day as YYYY-MM-DD"),
        ("transit: maybe", "loci.cloud.transit: expected"),
    ],
)
def test_what_is_no_day_and_no_way_is_refused(facts, problem):
    [told] = problems(with_facts(facts))
    assert problem in told
