import pytest
from tests.unit.config.test_config_load import BASE, problems

from situs.config.build import pace_of
from situs.config.load import parse
from situs.config.receipts import Anchor


def test_segments_end_by_size_and_age_as_configured():
    pace = pace_of(parse(BASE + "receipts: {rotate_mb: 2, rotate_h: 3}\n"))
    assert (pace.segment_bytes, pace.segment_s) == (2_000_000, 10_800.0)
    assert parse(BASE).receipts.keep_days is None


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{rotate_h: 49, keep_days: 2}", "receipts.rotate_h: more than keep_days: 2"),
        (
            "{anchor: {to: 'rfc3161:http://tsa.example.org'}}",
            "receipts.anchor.to: http without TLS to another host",
        ),
        ("{anchor: {to: 'rfc3161:ftp://x'}}", "receipts.anchor.to: expected an http or https URL"),
        (
            "{anchor: {to: 'rfc3161:https://a:b@tsa.example.org'}}",
            "receipts.anchor.to: credentials do not belong into a URL",
        ),
        ("{anchor: {to: 'git:'}}", "receipts.anchor.to: expected a file, git:REPOSITORY or"),
        ("{anchor: {to: x, every_min: 0}}", "receipts.anchor.every_min"),
        ("{sync: never}", "receipts.sync: expected"),
        ("{keep_days: 0}", "receipts.keep_days: expected a whole number of at least 1"),
        ("{rotate_mb: 0}", "receipts.rotate_mb: expected a whole number of at least 1"),
    ],
)
def test_what_cannot_hold_together_is_reported(section, expected):
    [problem] = problems(BASE + f"receipts: {section}\n")
    assert expected in problem


def test_a_segment_may_grow_for_as_long_as_lines_are_kept():
    assert parse(BASE + "receipts: {rotate_h: 48, keep_days: 2}\n").receipts.keep_days == 2


@pytest.mark.parametrize(
    "to",
    [
        "anchors.jsonl",
        "git:../repository",
        "rfc3161:https://tsa.example.org/tsr",
        "rfc3161:http://127.0.0.1:3161",
        "rfc3161:http://[::1]/",
    ],
)
def test_places_for_anchors(to):
    config = parse(BASE + f"receipts: {{sync: before_dispatch, anchor: {{to: '{to}'}}}}\n")
    assert config.receipts.anchor == Anchor(to=to, every_min=10)
    assert pace_of(config).sync_first
    assert not pace_of(parse(BASE)).sync_first
