"""Where traces go: the setting, or what OpenTelemetry's own variable says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from situs.config.secrets import Secret, resolve
from situs.config.terms import is_loopback
from situs.config.tree import Config
from situs.errors import ConfigError

VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Collector(Struct, frozen=True):
    """An OpenTelemetry collector by its base URL, the headers it wants, the share to trace."""

    endpoint: str
    headers: dict[str, Secret]
    sample: float


def collector_of(
    config: Config, base: Path, environ: Mapping[str, str] = os.environ
) -> Collector | None:
    """None when no traces are sent.

    Raises ConfigError for a header that cannot be resolved, and for a URL in the environment that
    is none, or is http without TLS to another host.
    """
    otlp = config.telemetry.otlp
    if otlp is not None:
        headers = {
            name: resolve(reference, base, at=f"telemetry.otlp.headers.{name}", environ=environ)
            for name, reference in otlp.headers.items()
        }
        return Collector(otlp.endpoint, headers, otlp.sample)
    endpoint = environ.get(VARIABLE, "").strip()
    if not endpoint:
        return None
    _check(endpoint)
    return Collector(endpoint, {}, 1.0)


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise ConfigError(
            f"{VARIABLE} is not an http or https URL with a host and without credentials",
            do="Correct the variable or unset it.",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"{VARIABLE} is http without TLS to another host",
            do="Use https, or set telemetry.otlp in the configuration, with `insecure: true`.",
        )
