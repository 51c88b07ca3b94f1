"""An organisation's own words and patterns are found like everything else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.lists import problem, rows
from situs.analysis.sensitivity.table import extended, standard
from situs.core.label import Label

FLOORS = {**DEFAULT_FLOORS, "project": Label.CONFIDENTIAL}
TABLE = extended(rows("project", ["Blue Heron", "C++", "Straße", "秘密"], [r"\bPRJ-[0-9]{4}\b"]))


def found(text, table=TABLE):
    seen = scan([text], FLOORS, table=table).findings
    return [(one.kind, text[one.start : one.end]) for one in seen]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("about blue heron, now", "blue heron"),
        ("BLUE\n  HERON", "BLUE\n  HERON"),
        ("in C++ only", "C++"),
        ("die Straße dort", "Straße"),
        ("see PRJ-1234.", "PRJ-1234"),
        ("ü PRJ-1234", "PRJ-1234"),
        ("blue\u200b heron", "blue\u200b heron"),
        ("これは秘密です", "秘密"),
    ],
)
def test_a_word_or_a_pattern_is_found(text, word):
    assert found(text) == [("project", word)]


@pytest.mark.parametrize("text", ["blue herons", "xblue heron", "prj-1234", "PRJ-12345", "blue"])
def test_words_are_whole_and_patterns_are_as_they_say(text):
    assert found(text) == []


def test_words_side_by_side_are_two_findings():
    assert found("blue heron blue heron") == [("project", "blue heron")] * 2


def test_what_is_encoded_is_read_for_own_words_too():
    run = base64.b64encode(b"the blue heron project").decode().rstrip("=")
    assert found(run) == [("project", run)]


def test_the_detectors_of_situs_stay():
    assert found("a@b.example, blue heron")[0] == ("email", "a@b.example")
    assert found("blue heron", standard()) == []


@pytest.mark.parametrize("pattern", ["(", "a{2000}", "x*", "(?=a)", ""])
def test_a_pattern_that_cannot_be_used_is_refused(pattern):
    said = problem(pattern)
    assert said
    with pytest.raises(ValueError, match=r"RE2|empty"):
        rows("project", [], [pattern])


@given(st.text(min_size=1, max_size=20).filter(str.strip))
def test_any_keyword_finds_itself(keyword):
    word = " ".join(keyword.encode("utf-8", "replace").decode().split()).replace("\x00", "x")
    (row,) = rows("project", [word], [])
    assert problem(row.pattern) is None
