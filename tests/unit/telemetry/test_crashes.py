"""What nobody catches is said without its message."""

import asyncio
import json
import logging
import subprocess
import sys

import pytest

from situs.telemetry.logs import JsonFormatter

CANARY = "canary-" + "90317"

PROGRAM = """
import sys, threading
from situs.telemetry.logs import catch_all, set_up
set_up(sys.argv[1], "debug")
catch_all()
def broken():
    raise ValueError(sys.argv[3])
class Thing:
    def __del__(self):
        broken()
if sys.argv[2] == "thread":
    thread = threading.Thread(target=broken)
    thread.start()
    thread.join()
elif sys.argv[2] == "clean-up":
    Thing()
else:
    broken()
"""


@pytest.mark.parametrize("where", ["process", "thread", "clean-up"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_crash_is_told_by_type_and_place_only(where, form):
    command = [sys.executable, "-c", PROGRAM, form, where, CANARY]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == (1 if where == "process" else 0)
    assert f"{where} was ended by ValueError" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_arguments_of_a_callback_that_failed_are_not_said(caplog):
    def broken(text):
        raise ValueError(text)

    loop = asyncio.new_event_loop()
    loop.call_soon(broken, CANARY)
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    [record] = [one for one in caplog.records if one.name == "asyncio"]
    assert CANARY in record.getMessage()
    line = json.loads(JsonFormatter().format(record))
    assert CANARY not in json.dumps(line)
    assert line["event"].startswith("Exception in callback")
    assert record.levelno == logging.ERROR
