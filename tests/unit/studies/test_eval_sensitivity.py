"""Each figure counts what it says, on rows small enough to count by hand."""

import pytest

from situs.core.label import Finding
from situs.errors import OperatorError
from situs.studies.eval_sensitivity import evaluate


def row(text, *spans):
    return {"text": text, "spans": [{"start": s, "end": e, "type": t} for s, e, t in spans]}


def finds(*found):
    """Finds these kinds and spans in whatever text."""
    return lambda text: [Finding(kind, 0, s, e, 0.9, "d") for kind, s, e in found]


def figures(rows, *found, **options):
    return evaluate(rows, finds(*found), **options)


def four(precision, recall):
    return {"precision": precision, "recall": recall}


def pair(figure):
    return four(figure["precision"], figure["recall"])


def test_characters_count_without_spaces_and_whatever_the_kind():
    seen = figures([row("Jo Do was here", (0, 5, "PERSON"))], ("email", 3, 9))
    assert pair(seen["chars"]) == four(2 / 5, 2 / 4)
    assert pair(seen["typed"]) == four(0, 0)


def test_typed_needs_the_family_and_any_overlap_exact_the_offsets():
    text = row("Jo Do lives in Bonn", (0, 5, "PERSON"), (15, 19, "GPE"))
    seen = figures([text], ("person", 3, 8), ("address", 15, 19))
    assert pair(seen["typed"]) == four(1, 1)
    assert pair(seen["exact"]) == four(0.5, 0.5)


def test_pairs_are_one_to_one():
    seen = figures([row("Jo Do", (0, 5, "PERSON"))], ("person", 0, 2), ("person", 3, 5))
    assert pair(seen["typed"]) == four(0.5, 1)
    seen = figures([row("Jo Do", (0, 2, "PER"), (3, 5, "PERSON"))], ("person", 0, 5))
    assert pair(seen["typed"]) == four(1, 0.5)


@pytest.mark.parametrize(
    "name", ["LOCATION", "GPE", "ADDRESS", "STREET_ADDRESS", "ZIP", "zip code"]
)
def test_names_of_places_are_one_family(name):
    assert figures([row("Bonn", (0, 4, name))], ("address", 0, 4))["typed"]["f2"] == 1


def test_f2_weighs_recall_more():
    seen = figures([row("Jo Do", (0, 2, "PERSON"), (3, 5, "PERSON"))], ("person", 0, 2))["typed"]
    assert seen["f1"] == pytest.approx(2 / 3)
    assert seen["f2"] == pytest.approx(5 * 0.5 / (4 + 0.5))


def test_types_without_a_family_are_listed_and_left_out():
    text = row("a plumber Jo", (2, 9, "TITLE"), (10, 12, "PERSON"))
    seen = figures([text], ("organisation", 2, 9), ("person", 10, 12))
    assert seen["unmapped"] == {"TITLE": 1}
    assert pair(seen["chars"]) == pair(seen["typed"]) == four(1, 1)


def test_a_type_can_be_mapped():
    text = row("a plumber", (2, 9, "TITLE"))
    seen = figures([text], ("person", 2, 9), types={"title": "person"})
    assert (seen["unmapped"], seen["typed"]["f1"]) == ({}, 1)
    with pytest.raises(OperatorError, match="family"):
        figures([text], types={"TITLE": "job"})


def test_a_date_of_birth_is_a_date():
    assert figures([row("1/2/1990", (0, 8, "DATE_TIME"))], ("date_of_birth", 0, 8))["typed"]["f1"]


def test_the_structured_tier_looks_at_nothing_else():
    text = row("Jo a@b.example", (0, 2, "PERSON"), (3, 14, "EMAIL_ADDRESS"))
    seen = figures([text], ("email", 3, 14), ("person", 0, 2), tier="structured")
    assert pair(seen["typed"]) == pair(seen["chars"]) == four(1, 1)
    assert set(seen["by_type"]) == {"EMAIL_ADDRESS"}
    both = figures([text], ("email", 3, 14), ("address", 0, 2))
    assert (both["structured"]["f1"], both["typed"]["recall"]) == (1, 0.5)


def test_precision_by_type_is_that_of_its_family():
    text = row("078-05-1120 D1234567", (0, 11, "US_SSN"), (12, 20, "US_DRIVER_LICENSE"))
    seen = figures([text], ("national_id", 0, 11), ("national_id", 11, 12))
    assert pair(seen["by_type"]["US_SSN"]) == four(0.5, 1)
    assert pair(seen["by_type"]["US_DRIVER_LICENSE"]) == four(0.5, 0)
    assert pair(seen["by_family"]["national_id"]) == four(0.5, 0.5)


def test_documents_say_how_many_clean_ones_are_flagged():
    rows = [row("Jo", (0, 2, "PERSON")), row("so"), row("no")]
    seen = figures(rows, ("person", 0, 2))["documents"]
    assert pair(seen) == four(1 / 3, 1)
    assert (seen["clean"], seen["clean_flagged"]) == (2, 1)


def test_what_does_not_apply_is_null():
    seen = figures([row("nothing")])
    assert set(seen["chars"].values()) == set(seen["typed"].values()) == {None}
    assert evaluate([], finds())["ms_per_kb"] is None


def test_a_span_outside_its_text_is_refused_without_the_text():
    with pytest.raises(OperatorError, match="row 1") as caught:
        figures([row("secret", (0, 99, "PERSON"))])
    assert "secret" not in str(caught.value)
