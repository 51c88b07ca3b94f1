"""What is kept beside the receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from situs.app.setting import Setting
from situs.config.modes_rules import scopes
from situs.core.aim import Mode
from situs.doctor.finding import Condition, Finding
from situs.stores import feedback as words
from situs.stores.approvals import count_waiting
from situs.stores.comparisons import comparisons as compared
from situs.stores.sessions import FILE as SESSIONS
from situs.stores.sessions import check_sessions

_DAY_S = 86_400.0


def sessions(setting: Setting) -> Iterator[Finding]:
    """Raises StoreError where requests that name a session are refused."""
    check_sessions(setting.data)
    yield Finding(
        "sessions", Condition.ACTIVE, f"their labels are kept in {setting.data / SESSIONS}"
    )


def approvals(setting: Setting) -> Iterator[Finding]:
    count = count_waiting(setting.data, time.time())
    if count:
        what = f"{count} waiting for a person's word: `situs approvals list`"
        yield Finding("approvals", Condition.ACTIVE, what)
    else:
        yield Finding("approvals", Condition.ACTIVE, "nothing waits for a person's word")


def feedback(setting: Setting) -> Iterator[Finding]:
    """Raises StoreError where nothing can be said of answers, and nothing be learned of it."""
    said = words.state(setting.data)
    count = said[0] if said else 0
    what = "nothing was said of answers" if not count else f"{count} said: `situs feedback list`"
    yield Finding("feedback", Condition.ACTIVE, what)


def comparisons(setting: Setting) -> Iterator[Finding]:
    """Raises StoreError where what copies show is not kept."""
    count = len(compared(setting.data, time.time() - _DAY_S))
    if any(aims.mode is Mode.SHADOW for _, aims in scopes(setting.config)):
        what = f"{count} in the last 24 hours: `situs modes compare`"
        yield Finding("comparisons", Condition.ACTIVE, what)
    else:
        yield Finding("comparisons", Condition.OFF, "no mode is shadow")
