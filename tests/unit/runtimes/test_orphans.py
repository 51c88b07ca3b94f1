"""No model server outlives its gateway, and nothing else is ever killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.runtimes.supervised import FAKE, Run, alive, gone, spec

from situs.runtimes.processes import TOKEN, Child, group_of, start_time, write_pid_file


def test_the_server_dies_with_a_gateway_that_is_killed(tmp_path):
    script = f"""
import asyncio, sys, time
from pathlib import Path
from situs.runtimes.spec import RuntimeSpec
from situs.runtimes.supervisor import Supervisor
async def main():
    argv = (sys.executable, "-S", {FAKE!r}, "--port", "{{port}}")
    one = Supervisor(RuntimeSpec("fake", argv), Path({str(tmp_path)!r}), lambda *_: None)
    await one.ensure_ready(20)
    print(one.pid, flush=True)
    await asyncio.sleep(300)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        assert alive(pid)
        gateway.kill()
    asyncio.run(gone(pid))


def orphan(tmp_path: Path, token: str) -> "subprocess.Popen[bytes]":
    """A model server without a gateway, with a child that outlives it, as after a crash."""
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-S", FAKE, "--port", "0", "--children", "1", "--starts", str(ready)],
        env={**os.environ, TOKEN: token},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not group_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert group_of(process.pid)
    (tmp_path / "runtimes").mkdir(exist_ok=True)
    return process


@pytest.mark.parametrize("leader_lives", [True, False])
def test_what_a_dead_gateway_left_is_reaped_at_the_next_start(tmp_path, leader_lives):
    left = orphan(tmp_path, "t0ken")
    pids = [left.pid, *group_of(left.pid)]
    pid_file = tmp_path / "runtimes" / "fake.pid.json"
    write_pid_file(pid_file, Child(left.pid, start_time(left.pid) or 0, "t0ken"))
    if not leader_lives:
        left.kill()
        left.wait()

    async def story() -> None:
        async with Run(tmp_path, spec()) as run:
            await run.supervisor.ensure_ready(20)
            await gone(*pids)

    asyncio.run(story())
    left.wait()


@pytest.mark.parametrize("wrong", ["token", "start time", "file"])
def test_a_process_that_does_not_match_the_pid_file_is_never_killed(tmp_path, wrong):
    other = orphan(tmp_path, "t0ken")
    try:
        family = group_of(other.pid) if wrong != "start time" else []
        started = (start_time(other.pid) or 0) + (wrong == "start time")
        written = Child(other.pid, started, "another" if wrong == "token" else "t0ken")
        pid_file = tmp_path / "runtimes" / "fake.pid.json"
        write_pid_file(pid_file, written)
        if wrong == "file":
            pid_file.write_text(json.dumps({"pid": other.pid}))

        async def story() -> None:
            async with Run(tmp_path, spec()) as run:
                await run.supervisor.ensure_ready(20)

        asyncio.run(story())
        assert other.poll() is None
        assert all(alive(pid) for pid in family)
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()
