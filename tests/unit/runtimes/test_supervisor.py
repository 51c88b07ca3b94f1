"""Supervision, tried on real processes."""

import asyncio
import os
import signal

import pytest
import uvloop
from tests.unit.runtimes.supervised import (
    QUICK,
    Run,
    alive,
    command_line,
    environment,
    gone,
    spec,
    until,
)

from situs.errors import BackendUnavailable, ConfigError, NoCapacity, OperatorError, WeightsError
from situs.runtimes.lifecycle import Patience, State
from situs.runtimes.processes import group_of
from situs.runtimes.spec import RuntimeSpec


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


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ConfigError):
        RuntimeSpec(name=name, argv=("x",))
