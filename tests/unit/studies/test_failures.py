"""What the failure suite reads from answers, and what it makes of its data."""

from __future__ import annotations

import json

import msgspec
import pytest

from situs.studies.failures import cells, read_cases
from situs.studies.failures_ask import read_stream

CASES = """
[outcomes.answered]
alone = { status = 200, ends = ["END"] }
second = { status = 200, ends = ["END"] }
[outcomes.refused]
alone = { status = 400, code = "invalid_request", ends = [] }
second = { status = 400, code = "invalid_request", ends = [] }
[cases.well]
what = "answers"
whole = { then = "answered", end = "complete" }
stream = { then = "answered", end = "complete" }
health = "healthy"
after = 1
"""


def event(**said):
    return f"data: {json.dumps(said)}\n\n"


PIECE = event(choices=[{"delta": {"content": "a"}, "finish_reason": None}])
FINISH = event(choices=[{"delta": {}, "finish_reason": "stop"}])
ERROR = event(error={"code": "stream_broken", "message": "It broke."})
DONE = "data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "code", "whole", "done"),
    [
        (PIECE + FINISH + DONE, None, True, True),
        (PIECE + ERROR, "stream_broken", False, False),
        (PIECE + DONE, None, False, True),  # looks clean, and is not
        (PIECE, None, False, False),
        (PIECE + FINISH, None, False, False),
        (PIECE + ERROR + DONE, None, False, True),
        ('data: {"choices', "no_event", False, False),
        ("", None, False, False),
    ],
)
def test_how_a_stream_ended_is_read_from_its_events(body, code, whole, done):
    said = read_stream(200, "x", body.encode())
    assert (said.code, said.whole, said.done) == (code, whole, done)


def test_every_case_is_tried_on_every_wire_in_every_form():
    found = cells(read_cases(CASES))
    assert len({cell.name for cell in found}) == len(found) == 12
    never = [cell for cell in found if cell.wire == "embeddings" and cell.stream]
    assert {cell.expected.code for cell in never} == {"invalid_request"}
    assert not any(cell.arrives for cell in never)


@pytest.mark.parametrize("change", [("after = 1", "afer = 1"), ("END", "end = 3"), ("200", "'x'")])
def test_data_that_is_not_understood_is_refused(change):
    with pytest.raises((msgspec.ValidationError, ValueError)):
        read_cases(CASES.replace(*change).replace('["end = 3"]', "3"))
