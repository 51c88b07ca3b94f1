"""Supervision, tried on real processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import aiohttp
import pytest
import uvloop

from situs.errors import BackendUnavailable, ConfigError, NoCapacity, OperatorError, WeightsError
from situs.runtimes.lifecycle import Patience, State
from situs.runtimes.output import BoundedLog
from situs.runtimes.processes import TOKEN, Child, group_of, start_time, write_pid_file
from situs.runtimes.spec import RuntimeSpec
from situs.runtimes.supervisor import Supervisor

FAKE = str(Path(__file__).parents[2] / "fakes" / "model_server.py")
QUICK = Patience(
    start_timeout_s=20.0,
    start_probe_s=0.02,
    probe_s=0.05,
    probe_timeout_s=2.0,
    backoff_first_s=0.05,
    backoff_max_s=0.2,
    hung_after=4,
)


def spec(*flags, patience=QUICK, **fields) -> RuntimeSpec:
    argv = (sys.executable, "-S", FAKE, "--port", "{port}", *map(str, flags))
    return RuntimeSpec(name="fake", argv=argv, patience=patience, **fields)


class Run:
    """A supervisor, the states it reported, and its stop at the end."""

    def __init__(self, data_dir, made: RuntimeSpec) -> None:
        self.states: list[str] = []
        self.details: list[str] = []
        self.seen = 0
        self.supervisor = Supervisor(made, data_dir, self.note)

    def note(self, name: str, state: State, detail: str) -> None:
        assert name == "fake"
        self.states.append(str(state))
        self.details.append(detail)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop(0.5)
        assert self.supervisor.pid is None

    async def reaches(self, state: State) -> str:
        """Wait for the next report of this state, however short it lasts; its detail."""
        await until(lambda: str(state) in self.states[self.seen :])
        place = self.states.index(str(state), self.seen)
        self.seen = place + 1
        return self.details[place]

    async def ask(self) -> str:
        host, port = self.supervisor.address or ("", 0)
        async with aiohttp.ClientSession() as session:
            reply = await session.post(f"http://{host}:{port}/v1/chat/completions", json={})
            return str((await reply.json())["choices"][0]["message"]["content"])


def alive(pid: int) -> bool:
    """Running; a zombie that nobody has collected is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment(pid: int | None) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


def command_line(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - processes do not announce what becomes of them
            await asyncio.sleep(0.01)


async def gone(*pids: int) -> None:
    await until(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_loads_answers_and_stops_without_leaving_anything(tmp_path, new_loop):
    async def story() -> None:
        async with Run(tmp_path, spec("--load-s", 0.1)) as run:
            assert run.supervisor.address is None
            await run.supervisor.start()
            await run.supervisor.ensure_ready(20)
            pid = run.supervisor.pid or 0
            assert await run.ask() == f"from {pid}"
            assert run.supervisor.facts is not None
            assert run.supervisor.facts.context_tokens == 512
            assert (tmp_path / "runtimes" / "fake.pid.json").stat().st_mode & 0o777 == 0o600
            await run.supervisor.stop(5.0)
            assert not alive(pid)
            assert not list((tmp_path / "runtimes").iterdir())
            assert run.states == ["starting", "ready", "stopping", "stopped"]
            assert "listening on" in run.supervisor.log_path.read_text()
            assert run.supervisor.facts is None

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


def test_many_who_wait_share_one_load(tmp_path):
    async def story() -> None:
        starts = tmp_path / "starts"
        async with Run(tmp_path, spec("--load-s", 0.2, "--starts", starts)) as run:
            await asyncio.gather(*(run.supervisor.ensure_ready(20) for _ in range(100)))
            assert len(starts.read_text().splitlines()) == 1

    asyncio.run(story())


def test_many_who_wait_share_one_failure(tmp_path):
    async def story() -> None:
        starts = tmp_path / "starts"
        made = spec("--exit-at-start", 7, "--starts", starts)
        async with Run(tmp_path, made) as run:
            waits = [run.supervisor.ensure_ready(20) for _ in range(20)]
            ends = await asyncio.gather(*waits, return_exceptions=True)
            assert {type(end) for end in ends} == {OperatorError}
            assert "exited with code 7" in str(ends[0])
            assert "no model for today" in str(ends[0])
            assert run.supervisor.state is State.FAILED
            assert len(starts.read_text().splitlines()) == QUICK.give_up_after
            with pytest.raises(OperatorError):  # asked again, it tries again
                await run.supervisor.ensure_ready(20)
            assert len(starts.read_text().splitlines()) == 2 * QUICK.give_up_after

    asyncio.run(story())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_server_is_started_again(tmp_path, number):
    async def story() -> None:
        async with Run(tmp_path, spec()) as run:
            await run.supervisor.ensure_ready(20)
            first = run.supervisor.pid or 0
            os.kill(first, number)
            assert number.name in await run.reaches(State.BACKING_OFF)
            await run.supervisor.ensure_ready(20)
            assert run.supervisor.pid != first
            assert await run.ask() == f"from {run.supervisor.pid}"
            assert run.states[:5] == ["starting", "ready", "backing_off", "starting", "ready"]

    asyncio.run(story())


def test_a_server_that_crashes_again_and_again_backs_off_longer_and_is_never_given_up(tmp_path):
    async def story() -> None:
        async with Run(tmp_path, spec("--crash-after", 1)) as run:
            for _ in range(4):
                await run.supervisor.ensure_ready(20)
                await run.ask()
                await run.reaches(State.BACKING_OFF)
            said = [detail.split(":")[0] for detail in run.details]
            waits = [what for what in said if what.startswith("next try in")]
            assert waits == [f"next try in {wait} s" for wait in ("0.05", "0.1", "0.2", "0.2")]
            assert "failed" not in run.states

    asyncio.run(story())


def test_a_load_that_takes_too_long_is_killed_and_given_up(tmp_path):
    async def story() -> None:
        patience = Patience(
            start_timeout_s=0.2, start_probe_s=0.02, backoff_first_s=0.01, give_up_after=2
        )
        async with Run(tmp_path, spec("--never-healthy", patience=patience)) as run:
            with pytest.raises(OperatorError, match="not ready in time"):
                await run.supervisor.ensure_ready(20)
            assert run.supervisor.pid is None

    asyncio.run(story())


def test_a_server_that_never_says_what_it_loaded_is_not_ready(tmp_path):
    async def story() -> None:
        async with Run(tmp_path, spec("--no-props")) as run:
            with pytest.raises(BackendUnavailable, match="is starting after") as caught:
                await run.supervisor.ensure_ready(0.5)
            assert caught.value.reason == "timeout"
            assert caught.value.retry_after_s == 1

    asyncio.run(story())


def test_a_server_that_hangs_becomes_unhealthy_then_recovers_or_is_replaced(tmp_path):
    async def story() -> None:
        hang = tmp_path / "hang"
        async with Run(tmp_path, spec("--hang-file", hang)) as run:
            await run.supervisor.ensure_ready(20)
            first = run.supervisor.pid
            hang.touch()
            await run.reaches(State.UNHEALTHY)
            hang.unlink()
            await run.supervisor.ensure_ready(20)
            hang.touch()
            assert "no longer answered" in await run.reaches(State.BACKING_OFF)
            hang.unlink()
            await run.supervisor.ensure_ready(20)
            assert run.supervisor.pid != first

    asyncio.run(story())


def test_a_stop_while_starting_ends_the_load_and_those_who_wait(tmp_path):
    async def story() -> None:
        async with Run(tmp_path, spec("--never-healthy")) as run:
            waiting = asyncio.create_task(run.supervisor.ensure_ready(20))
            await until(lambda: run.supervisor.pid is not None)
            pid = run.supervisor.pid or 0
            await run.supervisor.stop(5.0)
            assert not alive(pid)
            with pytest.raises(BackendUnavailable, match="is stopped"):
                await waiting
            assert run.states[-1] == "stopped"

    asyncio.run(story())


def test_a_stop_while_backing_off_stops_at_once(tmp_path):
    async def story() -> None:
        patience = Patience(backoff_first_s=600, backoff_max_s=600, start_probe_s=0.02)
        async with Run(tmp_path, spec("--exit-at-start", 1, patience=patience)) as run:
            await run.supervisor.start()
            await run.reaches(State.BACKING_OFF)
            await run.supervisor.stop(600)
            assert run.supervisor.state is State.STOPPED

    asyncio.run(story())


def test_stop_is_harmless_before_a_start_and_twice_and_start_works_again(tmp_path):
    async def story() -> None:
        async with Run(tmp_path, spec()) as run:
            await run.supervisor.stop()
            await run.supervisor.ensure_ready(20)
            await asyncio.gather(run.supervisor.stop(), run.supervisor.stop())
            await run.supervisor.stop()
            await run.supervisor.ensure_ready(20)
            assert run.states.count("ready") == 2

    asyncio.run(story())


def test_a_server_that_ignores_sigterm_is_killed_with_its_children(tmp_path):
    async def story() -> None:
        async with Run(tmp_path, spec("--ignore-sigterm", "--children", 2)) as run:
            await run.supervisor.ensure_ready(20)
            pid = run.supervisor.pid or 0
            family = [pid, *group_of(pid)]
            assert len(family) == 3
            await run.supervisor.stop(0.2)
            await gone(*family)

    asyncio.run(story())


def test_the_children_of_a_crashed_server_are_killed_before_it_is_started_again(tmp_path):
    async def story() -> None:
        async with Run(tmp_path, spec("--children", 1)) as run:
            await run.supervisor.ensure_ready(20)
            pid = run.supervisor.pid or 0
            family = group_of(pid)
            assert len(family) == 1
            os.kill(pid, signal.SIGKILL)
            await gone(*family)

    asyncio.run(story())


def test_a_check_that_refuses_starts_nothing_and_tells_everyone_why(tmp_path):
    def refuse() -> None:
        raise WeightsError("not these weights", do="Take others.")

    async def story() -> None:
        starts = tmp_path / "starts"
        async with Run(tmp_path, spec("--starts", starts, check=refuse)) as run:
            for _ in range(2):
                with pytest.raises(WeightsError, match="not these weights") as caught:
                    await run.supervisor.ensure_ready(20)
                assert caught.value.advice == "Take others."
            assert run.states == ["starting", "failed"] * 2
            assert run.details[1] == "not these weights"
            assert not starts.exists()

    asyncio.run(story())


def test_a_command_that_cannot_be_run_is_named(tmp_path):
    async def story() -> None:
        made = RuntimeSpec(name="fake", argv=("no-such-program",), patience=QUICK)
        async with Run(tmp_path, made) as run:
            with pytest.raises(OperatorError, match="no-such-program cannot be run"):
                await run.supervisor.ensure_ready(20)

    asyncio.run(story())


def test_only_so_many_may_wait(tmp_path):
    async def story() -> None:
        patience = Patience(max_waiters=2)
        async with Run(tmp_path, spec("--never-healthy", patience=patience)) as run:
            waits = [asyncio.create_task(run.supervisor.ensure_ready(20)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(NoCapacity) as caught:
                await run.supervisor.ensure_ready(20)
            assert caught.value.retry_after_s
            await run.supervisor.stop(0.2)
            ends = await asyncio.gather(*waits, return_exceptions=True)
            assert {type(end) for end in ends} == {BackendUnavailable}

    asyncio.run(story())


def test_a_server_gets_its_key_but_not_the_gateways_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVIDER_KEY", "not-for-children")

    async def story() -> None:
        key = {"SITUS_RUNTIME_KEY": "only-this-one"}
        async with Run(tmp_path, spec(env=key, api_key="only-this-one")) as run:
            await run.supervisor.ensure_ready(20)
            assert "only-this-one" in environment(run.supervisor.pid)
            assert "PROVIDER_KEY" not in environment(run.supervisor.pid)
            assert "only-this-one" not in command_line(run.supervisor.pid)
            assert "only-this-one" not in repr(run.supervisor.spec)

    asyncio.run(story())


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


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ConfigError):
        RuntimeSpec(name=name, argv=("x",))


def test_the_log_keeps_the_newest_and_never_more_than_twice_its_limit(tmp_path):
    log = BoundedLog(tmp_path / "x.log", limit=1000)
    for number in range(500):
        log.write(f"line {number}\n".encode())
    kept = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert 0 < kept <= 2000
    assert log.path.read_text().endswith("line 499\n")
    assert log.tail(2) == "line 498\nline 499"


def test_what_is_printed_while_serving_is_counted_and_not_kept(tmp_path):
    log = BoundedLog(tmp_path / "x.log")
    log.write(b"loading\n")
    log.serving()
    for piece in (b"prompt: can", b"ary-1\ncanary-2\nGGML_ASS", b"ERT(x) failed\ncanary-3"):
        log.write(piece)
    assert log.path.read_text() == "loading\nGGML_ASSERT(x) failed\n"
    assert "canary" not in log.tail()
    assert "(2 lines printed while serving were not kept)" in log.tail()
    log.loading()
    log.write(b"again\n")
    assert log.tail() == "again"
