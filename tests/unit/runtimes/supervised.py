"""Supervisors on real processes, shared by the tests of this folder."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import aiohttp

from situs.runtimes.lifecycle import Patience, State
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
