"""A supervised model server can call nobody; what is refused: tests/unit/app/test_confine.py."""

import asyncio
from pathlib import Path

from tests.unit.runtimes.supervised import Run, spec


def status(pid):
    return Path(f"/proc/{pid}/status").read_text()


def test_a_supervised_server_is_sealed_and_answers(tmp_path):
    async def story():
        async with Run(tmp_path, spec()) as run:
            await run.supervisor.ensure_ready(20)
            assert "Seccomp:\t2" in status(run.supervisor.pid)
            assert await run.ask()

    asyncio.run(story())
