"""What is kept beside the receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from situs.app.setting import Setting
from situs.doctor.finding import Condition, Finding
from situs.stores.approvals import count_waiting
from situs.stores.sessions import FILE as SESSIONS
from situs.stores.sessions import check_sessions


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
