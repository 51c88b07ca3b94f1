"""Routes, and the pilots of modes."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.setting import Setting
from situs.config.modes_rules import scopes
from situs.core.aim import Mode
from situs.doctor.finding import Condition, Finding
from situs.stores.pilots import rolled_back


def routes(setting: Setting) -> Iterator[Finding]:
    names = ", ".join(setting.config.routes)
    if names:
        yield Finding("routes", Condition.ACTIVE, names)
    else:
        yield Finding("routes", Condition.OFF, "none is configured")


def pilots(setting: Setting) -> Iterator[Finding]:
    """Raises StoreError where none can be known to be sound, so none runs."""
    back = rolled_back(setting.data)
    said = [".".join(path) for path, aims in scopes(setting.config) if aims.mode is Mode.PILOT]
    if not said:
        yield Finding("pilots", Condition.OFF, "no mode is pilot")
    for scope in said:
        if scope in back:
            what = f"rolled back: `situs modes reset {scope}` lets it run again"
            yield Finding(f"pilot of {scope}", Condition.OFF, what)
        else:
            yield Finding(f"pilot of {scope}", Condition.ACTIVE, "see `situs modes status`")
