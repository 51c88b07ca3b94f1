"""What is kept beside the receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from situs.app.setting import Setting
from situs.config.modes_rules import scopes
from situs.core.aim import Mode
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.stores import feedback as words
from situs.stores.approvals import count_waiting
from situs.stores.comparisons import comparisons as compared
from situs.stores.sessions import FILE as SESSIONS
from situs.stores.sessions import check_sessions
from situs.stores.times import read_times

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
    count = len(read_times(setting.data))
    what = f"deployments whose times were learned: {count}" if count else "none were learned yet"
    yield Diagnosis("times", Standing.ACTIVE, what)
