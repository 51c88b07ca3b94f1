"""A model that workers load into themselves: here it is only checked, once, before any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from situs.errors import OperatorError
from situs.runtimes.lifecycle import State
from situs.runtimes.spec import Facts, OnState


class Within:
    """Looks like a supervisor to who owns both; there is no process, so nothing can die.

    `check` runs in a thread; an OperatorError that it raises means that the model cannot be used.
    """

    address: None = None
    facts: Facts | None = None

    def __init__(self, name: str, check: Callable[[], None], on_state: OnState) -> None:
        self.state = State.STOPPED
        self._name = name
        self._check = check
        self._on_state = on_state
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to check, and return at once."""
        self._checking = asyncio.get_running_loop().create_task(self._run())

    async def ensure_ready(self, timeout_s: float) -> None:
        """Returns when it is known whether the model can be used, which `state` says then."""
        if self._checking is not None:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._checking)

    async def stop(self) -> None:
        if self._checking is not None:
            self._checking.cancel()

    async def _run(self) -> None:
        self._become(State.STARTING)
        try:
            await asyncio.to_thread(self._check)
        except OperatorError as error:
            self._become(State.FAILED, f"{error.message} {error.advice}")
        else:
            self._become(State.READY)

    def _become(self, state: State, detail: str = "") -> None:
        self.state = state
        self._on_state(self._name, state, detail)
