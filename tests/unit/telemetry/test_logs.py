import asyncio
import io
import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.telemetry.serving import attempt, served

from situs.telemetry.logs import JsonFormatter, TextFormatter, access_fields

CANARY = "canary-" + "7421"

PROGRAM = """
import sys
from typing import Any
from situs.telemetry.logs import log_access, set_up
from tests.unit.telemetry.serving import served
set_up(sys.argv[1], sys.argv[2])
import logging
log = logging.getLogger("situs.part")
for level in ("debug", "info", "warning", "error"):
    getattr(log, level)("said at %s", level)
log_access([served()])
"""


def said(format_: str, level: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, format_, level], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def record(message: str, *args: object, fields: object = None, error: Any = None):
    info = None if error is None else (type(error), error, getattr(error, "__traceback__", None))
    made = logging.LogRecord("situs.part", logging.ERROR, "f.py", 1, message, args, info)
    if fields is not None:
        made.fields = fields
    return made


def raised() -> BaseException:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        return error


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_process_says_its_level_and_what_is_worse_and_the_access_log_at_any(level):
    lines = [json.loads(line) for line in said("json", level)]
    levels = ["debug", "info", "warning", "error"]
    assert [x["level"] for x in lines if x["logger"] == "situs.part"] == levels[
        levels.index(level) :
    ]
    assert lines[-1]["logger"] == "situs.access"
    assert lines[-1]["receipt"] == "c1:7"


def test_text_has_the_same_fields_in_one_line():
    line = said("text", "error")[-1]
    assert re.match(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO situs\.access: request id=req_1 ", line
    )
    assert " status=200 deployment=office-llm locus=office " in line


def test_json_times_are_utc_with_milliseconds():
    made = record("x")
    made.created = 1_800_000_000.0625
    assert json.loads(JsonFormatter().format(made))["ts"] == "2027-01-15T08:00:00.062Z"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_an_exception_is_logged_as_type_and_place_only(formatter):
    line = formatter.format(record(f"Task exception\nfuture: {CANARY}", error=raised()))
    assert "ValueError at " in line
    assert "test_logs.py:" in line
    assert CANARY not in line
    assert "Traceback" not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_what_asyncio_reports_holds_no_message_of_an_exception(formatter):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    log = logging.getLogger("asyncio")
    log.addHandler(handler)
    loop = asyncio.new_event_loop()
    try:

        async def broken():
            raise ValueError(CANARY)

        task = loop.create_task(broken())
        loop.run_until_complete(asyncio.sleep(0.01))
        del task
    finally:
        loop.close()
        log.removeHandler(handler)
    assert "ValueError" in stream.getvalue()
    assert CANARY not in stream.getvalue()


@settings(max_examples=200)
@given(st.text(), st.text())
def test_an_event_is_one_line_whatever_it_says(event, value):
    made = record("%s", event, fields={"a": value})
    text = TextFormatter().format(made)
    assert len(text.splitlines()) == 1
    line = JsonFormatter().format(made)
    assert len(line.split("\n")) == 1
    assert json.loads(line)["a"] == value


def test_lone_surrogates_do_not_lose_an_event():
    made = record("%s", "\ud800", fields={"a": "\udfff"})
    for formatter in (TextFormatter(), JsonFormatter()):
        formatter.format(made).encode()


def test_fields_do_not_overwrite_what_every_event_has():
    found = json.loads(JsonFormatter().format(record("x", fields={"level": "none", "b": 1})))
    assert (found["level"], found["b"]) == ("error", 1)


def test_a_value_that_is_no_json_is_shown_as_its_type():
    assert json.loads(JsonFormatter().format(record("x", fields={"a": object()})))["a"] == "object"


def test_a_request_that_reached_no_model_is_logged_without_one():
    fields = access_fields(served(status=403, code="placement_denied", attempts=(), usage=None))
    assert (fields["status"], fields["deployment"], fields["attempts"]) == (403, None, 0)
    assert fields["prompt_tokens"] is None


def test_the_access_log_has_the_time_to_the_first_token_of_streams_only():
    assert access_fields(served())["ttft_s"] == 0.2
    assert access_fields(served(stream=False))["ttft_s"] is None
    assert access_fields(served(attempts=(attempt(ttft_s=None),)))["ttft_s"] is None
