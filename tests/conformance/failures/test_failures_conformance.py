"""Every cell of the failure suite, as it is shipped (`situs conformance failures`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.conformance.failures.table import PAGE, shown

from situs.studies.failures import Outcome, cells, read_cases, run

DATA = read_cases()
CELLS = cells(DATA)
NAMED = {
    "cut_before": "cut before the first byte",
    "cut_after": "cut after the first byte",
    "stall": "stall",
    "slow_loris": "slow-loris",
    "garbage_line": "garbage SSE line",
    "half_utf8": "half UTF-8",
    "storm_429": "429 storm",
    "status_500": "500",
    "wrong_type": "wrong content type",
    "wrong_model": "wrong model echoed",
    "prompt_cut": "silent truncation of context",
    "no_usage": "usage missing",
    "clock_skew": "clock skew",
    "dns": "DNS failure",
    "tls": "TLS failure",
    "refused": "connection refused",
    "huge_chunk": "huge chunk",
    "endless": "endless stream",
}


@pytest.fixture(scope="module")
def rows():
    return {row.cell: row for row in run(CELLS)}


def test_every_failure_that_was_named_is_tried_on_every_wire_and_form():
    tried = {(cell.case, cell.wire, cell.stream, cell.second) for cell in CELLS}
    wires = ("chat", "completions", "embeddings")
    for case in NAMED:
        for wire in wires:
            for stream in (False, True):
                assert {(case, wire, stream, False), (case, wire, stream, True)} <= tried


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_failure_comes_out_as_it_should(rows, cell):
    assert rows[cell].faults == ()


def test_what_comes_out_otherwise_is_said():
    """The suite sees what is wrong: told to expect something else, every cell has a fault."""
    otherwise = [
        replace(cell, expected=Outcome(418, ("outrun",), "teapot"), health="starting", after=1)
        for cell in CELLS
        if cell.case in ("status_500", "wrong_model", "garbage_line") and cell.wire == "chat"
    ]
    for row in run(otherwise):
        assert any(fault.startswith("health") for fault in row.faults)
        assert any("not 418 teapot" in fault for fault in row.faults)
        assert any("not ('outrun',)" in fault for fault in row.faults)


def test_the_reference_has_the_table_of_the_data():
    page = Path(PAGE).read_text("utf-8")
    assert shown(DATA) in page, "run python -m tests.conformance.failures.table"
