"""Runs a parent until it is told to stop: signals, reloads, the drain."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from situs.app.parent import Parent
from situs.app.setting import Setting
from situs.config import build
from situs.errors import OperatorError

_LOOK_S = 1.0


async def serve(
    parent: Parent,
    on_ready: Callable[[str, Parent], None],
    on_stop: Callable[[int], None],
    *,
    watch: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT, then drain: running requests end, new ones get 503.

    What still runs after `drain_s`, or at a second signal, is ended and told so. SIGHUP reloads,
    unless a person's terminal went away. `on_ready` is told the base URL once models are loaded
    (an OperatorError that it raises ends all), `on_stop` how many requests are waited for. With
    `watch` it reloads when a file that it was made from is another one.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    refused: list[OperatorError] = []
    url = parent.url

    async def greet() -> None:
        await parent.settled()
        try:
            on_ready(url, parent)
        except OperatorError as error:
            refused.append(error)
            stopping.set()

    async with parent, asyncio.TaskGroup() as tasks:

        def stop() -> None:
            if stopping.is_set():
                tasks.create_task(parent.stop(now=True))
            stopping.set()

        def reload() -> None:
            tasks.create_task(parent.reload_or_tell())

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, stop if _is_terminal() else reload)
        greeting = tasks.create_task(greet())
        watching = tasks.create_task(_reload_on_change(parent)) if watch else greeting
        await stopping.wait()
        greeting.cancel()
        watching.cancel()
        if waiting := await parent.stop():
            on_stop(waiting)
        await parent.crew.ended()
    if refused:
        raise refused[0]


async def _reload_on_change(parent: Parent) -> None:
    """Looks once a second; a change counts when it has stood still for that long."""
    held = seen = _files_of(parent.setting)
    while True:
        await asyncio.sleep(_LOOK_S)
        now = _files_of(parent.setting)
        if now == seen and now != held:
            held = now
            await parent.reload_or_tell()
        seen = now


def _files_of(setting: Setting) -> tuple[tuple[str, int, int], ...]:
    """The files of a setting as they are now: path, size, time of change."""
    paths = [] if setting.file is None else [setting.file]
    for path in build.policy_paths(setting.config, setting.base):
        paths += sorted(path.rglob("*.rego")) if path.is_dir() else [path]
    found = []
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()
