"""What can be watched: metrics, traces, the access log."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from situs.app.setting import Setting
from situs.config.collector import collector_of
from situs.doctor.finding import Condition, Finding


def watching(setting: Setting) -> Iterator[Finding]:
    telemetry = setting.config.telemetry
    yield Finding("metrics", Condition.ACTIVE, "GET /metrics, and `situs top`")
    collector = collector_of(setting.config, setting.base)
    if collector is None:
        yield Finding("traces", Condition.OFF, "no collector: telemetry.otlp is not set")
    elif importlib.util.find_spec("opentelemetry") is None:
        what = f"to {collector.endpoint}, but the extra otel is not installed"
        yield Finding("traces", Condition.PROBLEM, what, "In a checkout: pip install -e '.[otel]'")
    else:
        yield Finding("traces", Condition.ACTIVE, f"to {collector.endpoint}")
    if telemetry.access_log:
        yield Finding("access log", Condition.ACTIVE, "a line for every request, without content")
    else:
        yield Finding("access log", Condition.OFF, "telemetry.access_log is not set")
