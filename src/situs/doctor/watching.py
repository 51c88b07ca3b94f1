"""What can be watched: metrics, traces, the access log."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from situs.app.setting import Setting
from situs.config.collector import collector_of
from situs.doctor.diagnosis import Diagnosis, Standing


def watching(setting: Setting) -> Iterator[Diagnosis]:
    telemetry = setting.config.telemetry
    yield Diagnosis("metrics", Standing.ACTIVE, "GET /metrics, and `situs top`")
    collector = collector_of(setting.config, setting.base)
    if collector is None:
        yield Diagnosis("traces", Standing.OFF, "no collector: telemetry.otlp is not set")
    elif importlib.util.find_spec("opentelemetry") is None:
        what = f"to {collector.endpoint}, but the extra otel is not installed"
        yield Diagnosis("traces", Standing.PROBLEM, what, "In a checkout: pip install -e '.[otel]'")
    else:
        yield Diagnosis("traces", Standing.ACTIVE, f"to {collector.endpoint}")
    if telemetry.access_log:
        yield Diagnosis("access log", Standing.ACTIVE, "a line for every request, without content")
    else:
        yield Diagnosis("access log", Standing.OFF, "telemetry.access_log is not set")
