import pytest
from tests.unit.config.test_config_load import BASE, problems

from situs.config.build import pace_of
from situs.config.load import parse


def test_segments_end_by_size_and_age_as_configured():
    pace = pace_of(parse(BASE + "receipts: {rotate_mb: 2, rotate_h: 3}\n"))
    assert (pace.segment_bytes, pace.segment_s) == (2_000_000, 10_800.0)
    assert parse(BASE).receipts.keep_days is None


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{rotate_h: 49, keep_days: 2}", "receipts.rotate_h: more than keep_days: 2"),
        ("{keep_days: 0}", "receipts.keep_days: expected a whole number of at least 1"),
        ("{rotate_mb: 0}", "receipts.rotate_mb: expected a whole number of at least 1"),
    ],
)
def test_what_cannot_hold_together_is_reported(section, expected):
    [problem] = problems(BASE + f"receipts: {section}\n")
    assert expected in problem


def test_a_segment_may_grow_for_as_long_as_lines_are_kept():
    assert parse(BASE + "receipts: {rotate_h: 48, keep_days: 2}\n").receipts.keep_days == 2
