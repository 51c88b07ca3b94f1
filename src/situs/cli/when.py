"""Moments as options take them, and as tables show them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def when(value: str) -> float:
    """`7d` (so long ago; s, m, h, d, w) or a date or time in UTC; seconds since the epoch."""
    if match := re.fullmatch(r"(\d{1,9})([smhdw])", value):
        return time.time() - int(match[1]) * _UNITS[match[2]]
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            "not a time; say 7d, 12h, 2026-01-31 or 2026-01-31T12:00:00"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def moment(at: float) -> str:
    """Seconds since the epoch as a date and time in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def when_in_days(value: str) -> float:
    """As `when`, without smaller units: nobody shall lose a year to an `m` that is a minute."""
    if re.fullmatch(r"\d+[smh]", value):
        raise click.BadParameter("say days or weeks, such as 90d or 12w, or a date or time (UTC)")
    return when(value)
