"""Routes, and the pilots of modes."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.setting import Setting
from situs.config.modes_rules import scopes
from situs.core.aim import Mode
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.stores.pilots import rolled_back


def routes(setting: Setting) -> Iterator[Diagnosis]:
    names = ", ".join(setting.config.routes)
    if names:
        yield Diagnosis("routes", Standing.ACTIVE, names)
    else:
        yield Diagnosis("routes", Standing.OFF, "none is configured")


def pilots(setting: Setting) -> Iterator[Diagnosis]:
    """Raises StoreError where none can be known to be sound, so none runs."""
    back = rolled_back(setting.data)
    said = [".".join(path) for path, aims in scopes(setting.config) if aims.mode is Mode.PILOT]
    if not said:
        yield Diagnosis("pilots", Standing.OFF, "no mode is pilot")
    for scope in said:
        if scope in back:
            what = f"rolled back: `situs modes reset {scope}` lets it run again"
            yield Diagnosis(f"pilot of {scope}", Standing.OFF, what)
        else:
            yield Diagnosis(f"pilot of {scope}", Standing.ACTIVE, "see `situs modes status`")
