"""Moments as options take them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class When(click.ParamType):
    """`7d` (so long ago; s, m, h, d, w) or a date or time in UTC; seconds since the epoch."""

    name = "time"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if not isinstance(value, str):
            return value
        if match := re.fullmatch(r"(\d{1,9})([smhdw])", value):
            return time.time() - int(match[1]) * _UNITS[match[2]]
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("not a time; say 7d, 12h, 2026-01-31 or 2026-01-31T12:00:00", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
