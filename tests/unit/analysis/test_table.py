"""Which rows can match: what is asked first must never hide what would match."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.sensitivity import warming
from situs.analysis.sensitivity.detector import Detector
from situs.analysis.sensitivity.table import DETECTORS, Gate, Table, compiled, extended, standard

ROUGH = [row for row in DETECTORS if row.rough]


def in_python(pattern: str) -> str:
    """What RE2 writes otherwise: a flag for the whole is at the beginning in both."""
    return re.sub(r"\\x\{([0-9A-F]+)\}", lambda match: chr(int(match[1], 16)), pattern)


@pytest.mark.parametrize("row", ROUGH, ids=[row.name for row in ROUGH])
def test_every_match_of_a_row_holds_what_is_asked_before_it(row):
    rough = compiled(row.rough)

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.from_regex(re.compile(in_python(row.pattern), re.ASCII)))
    def check(text):
        data = text.encode("utf-8", "replace")
        if compiled(row.pattern).search(data) is not None:
            assert rough.search(data) is not None
            assert DETECTORS.index(row) in standard().matching(data)

    check()


def test_a_set_without_an_answer_counts_as_matching_everything():
    failed = re2.Set.SearchSet()
    failed.Add("x")
    failed.Compile()  # without the pattern that matches everything, as after a failure
    table = Table((Detector("a", "b", "x", 0.5),), (Gate(failed, (0,)),))
    assert table.matching(b"nothing of it") == [0]


def test_own_rows_are_asked_beside_the_standard_ones():
    table = extended([Detector("own", "own", "heron", 0.5)])
    assert table.matching(b"a heron") == [len(DETECTORS)]
    assert standard().matching(b"a heron") == []


def test_warming_goes_on_in_steps_to_its_end():
    assert len(list(warming())) == len(DETECTORS) + 1
