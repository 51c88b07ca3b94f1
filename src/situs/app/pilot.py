"""The parent's watch over pilots: one that does worse than its baseline is rolled back.

It goes by the outcomes of the receipts. Only requests for which the pick is another place than the
baseline count, in both groups, so that like is compared with like.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from msgspec import Struct, field

from situs.config.aims import Aims, Guard
from situs.config.modes_rules import in_force, scopes
from situs.config.routing import Route
from situs.config.tree import Config
from situs.core.aim import BASED, Mode
from situs.core.record import Served
from situs.errors import StoreError
from situs.placement.modes import BASELINE, PICK
from situs.stores.pilots import RollBack, roll_back, rolled_back, signature
from situs.telemetry.guard import Judged, Sample, fair, judge, sample

_log = logging.getLogger(__name__)

WINDOW_S = 3600.0
WINDOW = 4
"""The newest samples that are judged: of the last hour, and so many times the `least` asked for."""
_MOST = 2000


class _Group(Struct):
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=_MOST))
    counted: int = 0


class _Pilot(Struct):
    """What is known of one; `looked` is the count of its requests when it was judged last."""

    groups: dict[str, _Group] = field(default_factory=lambda: {PICK: _Group(), BASELINE: _Group()})
    looked: int = 0


class ModeReport(Struct, frozen=True):
    """Where a mode is said, and how it goes. `counts` are requests since the start, by group.

    `unknown`: it cannot be read which pilots are rolled back, so none runs.
    """

    scope: str
    mode: str
    baseline: str | None
    share: float
    guard: Guard | None
    counts: dict[str, int] = {}
    figures: Judged | None = None
    rolled_back: RollBack | None = None
    unknown: bool = False


class Pilots:
    """Owns what was seen of pilots. `observe` is called on another thread than the rest."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = Lock()
        self._pilots: dict[str, _Pilot] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._back: dict[str, RollBack] = {}
        self._known: dict[str, tuple[Any, ...]] = {}
        self._began: dict[str, float] = {}
        self._seen: tuple[Any, ...] | None = None
        self._unreadable = False
        self._told: frozenset[str] = frozenset()

    def observe(self, batch: Sequence[Served]) -> None:
        """Takes in what was served."""
        with self._lock:
            for served in batch:
                moded = served.outcome.moded
                if moded is None:
                    continue
                counts = self._counts.setdefault(moded.scope, {})
                counts[moded.group] = counts.get(moded.group, 0) + 1
                if served.at < self._began.get(moded.scope, 0.0):  # of the former pilot
                    continue
                if moded.mode is Mode.PILOT and moded.group in (PICK, BASELINE):
                    group = self._pilots.setdefault(moded.scope, _Pilot()).groups[moded.group]
                    group.samples.append(sample(served))
                    group.counted += 1

    def look(self, config: Config) -> frozenset[str] | None:
        """Judge what is due; the scopes that are rolled back, None: as before. Never raises."""
        self._read()
        self._compare(config)
        for scope, guard in _guarded(config):
            if scope not in self._back and (found := self._due(scope, guard)) is not None:
                self._end(scope, guard, found)
        if self._unreadable:
            back = frozenset(".".join(path) for path, _ in scopes(config))
        else:
            back = frozenset(self._back)
        if back == self._told:
            return None
        self._told = back
        return back

    @property
    def rolled_back(self) -> frozenset[str]:
        """The scopes whose pilots do not run, as of the last look."""
        return self._told

    def report(self, config: Config) -> tuple[ModeReport, ...]:
        """Every place where a mode is said; what the file says by now."""
        self._read()
        return tuple(self._reports(config))

    def _read(self) -> None:
        """The file, where it was written since it was read last."""
        seen = (signature(self._data),)
        if seen == self._seen:
            return
        self._seen = seen
        before = self._back
        try:
            self._back, self._unreadable = rolled_back(self._data), False
        except StoreError as error:
            _log.error("no pilot runs: %s %s", error.message, error.advice)
            self._unreadable = True
        for scope in before.keys() - self._back.keys():
            _log.warning("the pilot of %s runs again", scope)
            with self._lock:
                self._pilots.pop(scope, None)

    def _compare(self, config: Config) -> None:
        """What was seen of a pilot that is configured otherwise now is no more of it."""
        known = dict(_configured(config))
        with self._lock:
            for scope, former in self._known.items():
                if known.get(scope) != former:
                    self._pilots.pop(scope, None)
                    self._began[scope] = time.time()
        self._known = known

    def _due(self, scope: str, guard: Guard) -> Judged | None:
        """The figures, where the pilot is judged now and does worse."""
        with self._lock:
            pilot = self._pilots.get(scope)
            if pilot is None:
                return None
            new = pilot.groups[PICK].counted - pilot.looked
            if new < (guard.least if not pilot.looked else guard.least // 2):
                return None
            found = _figures(pilot, guard)
            if found is None:
                return None
            pilot.looked = pilot.groups[PICK].counted
            return found if found.worse else None

    def _end(self, scope: str, guard: Guard, found: Judged) -> None:
        """From now on, whether or not it can be written down."""
        with self._lock:
            counts = [len(_values(self._pilots[scope], name, guard)) for name in (PICK, BASELINE)]
        why = RollBack(time.time(), guard.metric, found.pilot, found.baseline, *counts)
        _log.warning(
            "the pilot of %s is rolled back: %s is %.4g, the baseline's %.4g (%d and %d requests); "
            "`situs modes reset %s` lets it run again",
            *(scope, guard.metric, found.pilot, found.baseline, *counts, scope),
        )
        self._back = {**self._back, scope: why}
        try:
            roll_back(self._data, scope, why)
        except StoreError as error:
            _log.error("the roll-back of %s holds until a restart: %s", scope, error.message)

    def _reports(self, config: Config) -> Iterator[ModeReport]:
        guards = dict(_guarded(config))
        for path, aims in scopes(config):
            if aims.mode is None:
                continue
            scope, guard = ".".join(path), guards.get(".".join(path))
            with self._lock:
                pilot = self._pilots.get(scope)
                figures = _figures(pilot, guard) if pilot is not None and guard else None
                counts = dict(self._counts.get(scope, {}))
            yield ModeReport(
                scope,
                aims.mode.value,
                in_force(config, aims, "baseline") if aims.mode in BASED else None,
                in_force(config, aims, "share") or 0.0 if aims.mode is Mode.PILOT else 0.0,
                guard,
                counts,
                figures,
                self._back.get(scope),
                self._unreadable and aims.mode is Mode.PILOT,
            )


def _configured(config: Config) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """All that makes a pilot what it is, by scope."""
    for path, aims in scopes(config):
        if aims.mode is Mode.PILOT:
            said = tuple(in_force(config, aims, name) for name in Aims.__struct_fields__)
            among = aims.deployments if isinstance(aims, Route) else ()
            yield ".".join(path), (said, among, config.deployments, config.models)


def _guarded(config: Config) -> Iterator[tuple[str, Guard]]:
    """The pilots with a guard, by scope."""
    for path, aims in scopes(config):
        guard = in_force(config, aims, "guard")
        if aims.mode is Mode.PILOT and guard is not None:
            yield ".".join(path), guard


def _values(pilot: _Pilot, group: str, guard: Guard) -> list[float]:
    since = time.time() - WINDOW_S
    samples = [one for one in pilot.groups[group].samples if one.at >= since]
    if guard.metric == "cost":
        samples = fair([one for one in samples if one.cost is not None], guard.least)
    values = [getattr(one, guard.metric) for one in samples]
    return [one for one in values if one is not None][-WINDOW * guard.least :]


def _figures(pilot: _Pilot, guard: Guard) -> Judged | None:
    """None while there are too few requests."""
    own, others = (_values(pilot, group, guard) for group in (PICK, BASELINE))
    if min(len(own), len(others)) < guard.least:
        return None
    return judge(guard.metric, own, others, guard.worse_by)
