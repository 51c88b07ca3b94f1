"""Runs a drill: the same requests through two gateways of its own, one with some loci dark."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from situs.app.confine import why_not_sealed
from situs.app.egress import COLLECTOR, check_blocked
from situs.app.setting import Setting
from situs.config.terms import is_loopback
from situs.config.tree import Config
from situs.errors import ConfigError, SitusError
from situs.stores.decisions import find
from situs.stores.lock import DataLock
from situs.studies.drill import Drill, Held, Reached, Report, report
from situs.studies.drill_run import Job, Said, can_have_namespace, run
from situs.trust.api_keys import Grants, create_key

Darken = Callable[[Collection[str], float], None]
"""Makes a running gateway connect to nothing at these loci for so many seconds; raises SitusError.
"""
OnSaid = Callable[[str, Said], None]
"""Told of each request: the run (`normal` or `dark`), and how it went."""

LEASE_S = 6.0
"""A live gateway stays dark for so long when nobody says it again."""

_SHARED = ("models", "artefacts")
"""What a gateway of the drill's own reads of the data directory; all else it makes itself."""
_COPIED = "policy"
"""The last good bundle, which it may replace."""


class Asked(Struct, frozen=True):
    """What a drill asks. `least` is the share that must go on."""

    requests: tuple[dict[str, Any], ...]
    duration_s: float = 0.0
    least: float = 1.0


def not_owned(config: Config) -> tuple[str, ...]:
    return tuple(sorted(name for name, locus in config.loci.items() if not locus.owned))


def loci_of(
    config: Config, operator: str | None = None, jurisdiction: str | None = None
) -> tuple[str, ...]:
    """The loci of one operator or one jurisdiction.

    Raises ConfigError where there are none, or where this machine is one of them.
    """
    found = tuple(
        sorted(
            name
            for name, locus in config.loci.items()
            if jurisdiction in (None, locus.jurisdiction)
            and (operator is None or operator.casefold() == locus.operator.casefold())
        )
    )
    if not found:
        known = {
            one.jurisdiction if operator is None else one.operator for one in config.loci.values()
        }
        raise ConfigError(
            f"no locus is of {operator or jurisdiction}",
            do=f"Name one of these: {', '.join(sorted(known))}.",
        )
    for name, entry in config.deployments.items():
        if entry.runtime is not None and entry.locus in found:
            raise ConfigError(
                f"{name} runs on this machine, which stands at {entry.locus}: it cannot go dark",
                do="Drill from a gateway that stands elsewhere.",
            )
    return found


def drill(setting: Setting, name: str, dark: Collection[str], asked: Asked, told: OnSaid) -> Report:
    """Both runs and what they say. Raises OperatorError for what cannot go dark alone, or when a
    gateway does not start.

    The collector of traces is dark in both: a drill is no traffic.
    """
    check_blocked(setting.config, dark)
    namespace = _namespace(setting.config, dark)
    held = namespace or "held"
    with _gateway(setting, asked, ()) as (job, _):
        normal = list(_telling("normal", job, told))
    with _gateway(setting, asked, dark) as (job, data):
        job = replace(job, namespace=namespace is None)
        after = list(_telling("dark", job, told))
        reached = [one for said in after for one in _reached(data, said, dark)]
    return report(_tried(setting.config, name, dark, asked, held), normal, after, reached)


class Live(Struct, frozen=True):
    """A gateway that runs: where it listens, a key it takes, and how it is made dark.

    Its data directory is that of the setting.
    """

    url: str
    key: str
    darken: Darken


def live_drill(
    setting: Setting, name: str, dark: Collection[str], asked: Asked, live: Live, told: OnSaid
) -> Report:
    """The same on the gateway that serves everybody. Requests that run when it goes dark go on.

    It is dark only as long as this process says so, and `LEASE_S` after it was killed; what a
    drill that was killed left dark is not dark here. Raises OperatorError for what cannot go dark
    alone, when it could not be kept dark, and while another one is under way.
    """
    check_blocked(setting.config, dark)
    job = Job((), os.devnull, live.key, asked.requests, asked.duration_s, url=live.url)
    with DataLock(setting.data, "drill", do="Wait until it is over, or stop it."):
        live.darken((), 0.0)
        normal = list(_telling("normal", job, told))
        with _kept_dark(live.darken, dark):
            after = list(_telling("dark", job, told))
    reached = [one for said in after for one in _reached(setting.data, said, dark)]
    held = "not used: the gateway is the live one"
    tried = replace(_tried(setting.config, name, dark, asked, held), live=True)
    return report(tried, normal, after, reached)


@contextmanager
def _kept_dark(darken: Darken, dark: Collection[str]) -> Iterator[None]:
    darken(dark, LEASE_S)
    over = Event()
    problems: list[SitusError] = []

    def keep() -> None:
        while not over.wait(LEASE_S / 3):
            try:
                darken(dark, LEASE_S)
            except SitusError as problem:
                problems.append(problem)
                return

    keeper = Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
        darken((), 0.0)
    if problems:
        raise problems[0]


def _tried(config: Config, name: str, dark: Collection[str], asked: Asked, namespace: str) -> Drill:
    gone = tuple(sorted(n for n, entry in config.deployments.items() if entry.locus in dark))
    owned = (n for n, entry in config.deployments.items() if config.loci[entry.locus].owned)
    return Drill(
        name=name,
        at=time.time(),
        dark=tuple(sorted(dark)),
        deployments_dark=gone,
        owned=frozenset(owned) - set(gone),
        held=Held(kernel=why_not_sealed() or "held", namespace=namespace),
        least=asked.least,
    )


def _telling(run_: str, job: Job, told: OnSaid) -> Iterator[Said]:
    for said in run(job):
        told(run_, said)
        yield said


@contextmanager
def _gateway(setting: Setting, asked: Asked, dark: Collection[str]) -> Iterator[tuple[Job, Path]]:
    """A gateway's job with the setting's configuration and a data directory of its own."""
    with TemporaryDirectory(prefix="situs-drill-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        for name in _SHARED:
            if (setting.data / name).exists():
                (data / name).symlink_to(setting.data / name)
        if (setting.data / _COPIED).exists():
            copytree(setting.data / _COPIED, data / _COPIED)
        _, key = create_key(data, Grants(name="drill"), time.time())
        file = setting.file
        if file is None:
            file = Path(folder) / "situs.yaml"
            file.write_bytes(msgspec.json.encode(setting.config))
        blocks = [word for locus in (*dark, COLLECTOR) for word in ("--block", locus)]
        command = (
            *(sys.executable, "-P", "-m", "situs.cli.main", "serve", "--config", str(file)),
            *("--data", str(data), "--port", "0", *blocks),
        )
        log = str(Path(folder) / "log")
        yield Job(command, log, key, asked.requests, asked.duration_s), data


def _namespace(config: Config, dark: Collection[str]) -> str | None:
    """Why the dark run has no network namespace of its own, if so."""
    for name, entry in config.deployments.items():
        if entry.endpoint is not None and entry.locus not in dark:
            here = is_loopback(urlsplit(entry.endpoint.url).hostname or "")
            how = "is on this machine's own loopback" if here else "is reached over the network"
            return f"not used: {name} {how}"
    return can_have_namespace()


def _reached(data: Path, said: Said, dark: Collection[str]) -> Iterator[Reached]:
    """What the receipts say of dark loci."""
    entry = find(data, said.id) if said.id else None
    outcome = None if entry is None else entry.outcome
    for attempt in (outcome or {}).get("attempts") or ():
        peer = attempt.get("peer")
        if attempt["locus"] in dark and (peer or attempt["bytes_out"]):
            address = "" if peer is None else peer["address"]
            yield Reached(said.id, attempt["locus"], address, attempt["bytes_out"])
