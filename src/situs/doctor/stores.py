"""What is kept beside the receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.app.timing import holding
from situs.config.modes_rules import scopes
from situs.core.aim import Mode
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.stores import feedback as words
from situs.stores.approvals import count_waiting
from situs.stores.comparisons import comparisons as compared
from situs.stores.database import INDEX_FILE
from situs.stores.sessions import FILE as SESSIONS
from situs.stores.sessions import check_sessions
from situs.stores.times import read_times
from situs.stores.upkeep import status

_DAY_S = 86_400.0


def sessions(setting: Setting) -> Iterator[Diagnosis]:
    """Raises StoreError where requests that name a session are refused."""
    check_sessions(setting.data)
    yield Diagnosis(
        "sessions", Standing.ACTIVE, f"their labels are kept in {setting.data / SESSIONS}"
    )


def approvals(setting: Setting) -> Iterator[Diagnosis]:
    count = count_waiting(setting.data, time.time())
    if count:
        what = f"{count} waiting for a person's word: `situs approvals list`"
        yield Diagnosis("approvals", Standing.ACTIVE, what)
    else:
        yield Diagnosis("approvals", Standing.ACTIVE, "nothing waits for a person's word")


def feedback(setting: Setting) -> Iterator[Diagnosis]:
    """Raises StoreError where nothing can be said of answers, and nothing be learned of it."""
    said = words.state(setting.data)
    count = said[0] if said else 0
    what = "nothing was said of answers" if not count else f"{count} said: `situs feedback list`"
    yield Diagnosis("feedback", Standing.ACTIVE, what)


def comparisons(setting: Setting) -> Iterator[Diagnosis]:
    """Raises StoreError where what copies show is not kept."""
    count = len(compared(setting.data, time.time() - _DAY_S))
    if any(aims.mode is Mode.SHADOW for _, aims in scopes(setting.config)):
        what = f"{count} in the last 24 hours: `situs modes compare`"
        yield Diagnosis("comparisons", Standing.ACTIVE, what)
    else:
        yield Diagnosis("comparisons", Standing.OFF, "no mode is shadow")


def times(setting: Setting) -> Iterator[Diagnosis]:
    """Raises StoreError where what was learned cannot be read, so it is learned anew."""
    kept = read_times(setting.data)
    if not kept:
        yield Diagnosis("times", Standing.ACTIVE, "none were learned yet")
        return
    held = len(holding(load_plan(setting, 0, {}, secrets=False), kept))
    what = f"deployments whose times were learned: {held}"
    if lost := len(kept) - held:
        what += f"; of {lost} more they are those of another endpoint, model or name"
    yield Diagnosis("times", Standing.ACTIVE, what)


def index(setting: Setting) -> Iterator[Diagnosis]:
    """Raises StoreError where it cannot be read, so nothing can be asked of what was recorded."""
    if not (setting.data / INDEX_FILE).exists():
        yield Diagnosis("index", Standing.OFF, "there is none yet; a gateway makes it as it starts")
        return
    found = status(setting.data)
    late = f"; {found.behind} bytes of receipts are not in it yet" if found.behind else ""
    yield Diagnosis("index", Standing.ACTIVE, f"decisions: {found.decisions}{late}")
