"""What runs on the data directory, who may call it, and what it may call."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from situs.app.confine import why_not_sealed
from situs.app.setting import Setting
from situs.config.terms import is_loopback
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.http.auth import key_required
from situs.trust.api_keys import Scope, load_keys


def data(setting: Setting) -> Iterator[Diagnosis]:
    """Whether it can be written, or made."""
    place = setting.data
    nearest = next(p for p in (place, *place.parents) if p.exists())
    if not os.access(nearest, os.W_OK):
        yield Diagnosis(
            "data", Standing.PROBLEM, f"{nearest} cannot be written", "Choose another --data DIR."
        )
    else:
        yield Diagnosis("data", Standing.ACTIVE, str(place))


def gateway(setting: Setting, url: str | None) -> Diagnosis:
    """What runs on the data directory, which need not be what is configured."""
    holder, server = _holder(setting.data), setting.config.server
    if holder is None:
        return Diagnosis("gateway", Standing.OFF, f"none is running on {setting.data}")
    if not url:
        because = f"process {holder} holds the data directory, and does not say where it listens"
        return Diagnosis("gateway", Standing.ACTIVE, because)
    because = f"process {holder} listens on {url}"
    if server.port not in (0, urlsplit(url).port):
        because += f"; this configuration says port {server.port}"
    return Diagnosis("gateway", Standing.ACTIVE, because)


def _holder(data: Path) -> str | None:
    """The pid of the gateway that holds the directory."""
    with suppress(OSError), (data / "gateway.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read(32).strip() or "unknown"
    return None


def listening(setting: Setting) -> Iterator[Diagnosis]:
    """Where it is called, and by whom."""
    server = setting.config.server
    where = f"{server.host}:{server.port}"
    keys, now = load_keys(setting.data), time.time()
    if is_loopback(server.host):
        yield Diagnosis("listener", Standing.ACTIVE, f"{where}, loopback only")
    elif keys.lets_in(Scope.INFERENCE, now):
        what = f"{where}, beyond loopback and without TLS: a proxy in front must terminate it"
        yield Diagnosis("listener", Standing.ACTIVE, what)
    else:
        what = f"{where} is beyond loopback, and no key could call there"
        yield Diagnosis("listener", Standing.PROBLEM, what, "Run `situs keys create NAME`.")
    usable = sum(key.refused(now) is None for key in keys.keys)
    if key_required(server.host, server.require_key):
        yield Diagnosis("API keys", Standing.ACTIVE, f"needed; {usable} can be used")
    else:
        what = f"not needed on loopback; {usable} can be used"
        yield Diagnosis("API keys", Standing.OFF, what)
    version = ".".join(map(str, sys.version_info[:3]))
    yield Diagnosis("python", Standing.ACTIVE, version)


def egress(setting: Setting) -> Iterator[Diagnosis]:
    """What holds a worker to the list of where it may connect."""
    why = why_not_sealed()
    if why is None:
        what = "workers open no connections themselves; the kernel holds it"
        yield Diagnosis("egress guard", Standing.ACTIVE, what)
    else:
        do = "Limit the gateway's user with `situs egress apply`."
        yield Diagnosis("egress guard", Standing.PROBLEM, f"the kernel does not hold it: {why}", do)
