"""The fleet's live state: what is in flight where, who fails, who is well again, how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Protocol

from msgspec import Struct

from situs.core.fleet import Condition, Deployment, DeploymentState, FleetView, Health, Pace
from situs.core.record import End, Measured
from situs.fleet import breaker as breakers
from situs.fleet.breaker import Breaker, Phase
from situs.fleet.outliers import LEAST, Standing, outliers
from situs.fleet.times import Times, number_of
from situs.placement.latency import Learned, beginning, learn, moved, slowness

_COMPARED_S = 1.0
_TAUGHT = 10
"""After so many answers a deployment's slowness is compared with others'."""
_TYPICAL_TOKENS = 256
_MOST_SENT = 10_000


class Places(Protocol):
    """What is in flight over all workers; no deployment gets more than it takes."""

    def version(self) -> int:
        """Another number when a count may have changed."""

    def count(self, deployment: str) -> int: ...

    def counts(self, deployments: Sequence[str]) -> list[int]: ...

    def take(self, deployment: str, most: int) -> bool:
        """False when `most` are taken."""

    def give_back(self, deployment: str) -> None: ...


class OwnPlaces:
    """The places of a single process."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._version = 0

    def version(self) -> int:
        return self._version

    def count(self, deployment: str) -> int:
        return self._taken[deployment]

    def counts(self, deployments: Sequence[str]) -> list[int]:
        return [self._taken[name] for name in deployments]

    def take(self, deployment: str, most: int) -> bool:
        if self._taken[deployment] >= most:
            return False
        self._taken[deployment] += 1
        self._version += 1
        return True

    def give_back(self, deployment: str) -> None:
        self._taken[deployment] -= 1
        self._version += 1


class _Known(Struct):
    """What is known of one deployment.

    `told` is what its supervisor says, which counts before the breaker. `trial`: the one request
    that a half-open breaker lets through is on its way. `compared_at` are the answers that had been
    measured when it was last found to be an outlier.
    """

    deployment: Deployment
    key: bytes
    learned: Learned
    breaker: Breaker
    number: int
    state: DeploymentState = DeploymentState()
    told: Health | None = None
    trial: bool = False
    compared_at: int = 0

    @property
    def health(self) -> Health:
        if self.told is None or self.told is Health.HEALTHY:
            return self.breaker.health
        return self.told


class Registry:
    """Owns the states of all deployments, as this process sees them.

    Health is that of `fleet.breaker` and `fleet.outliers`, where no supervisor says otherwise
    (`set_health`); times are learned as `placement.latency` says. What is in flight is shared with
    other processes (`places`), and what answers took is told to them (`times`); the rest is not.
    `seed` differs between processes, so that they do not all try again at once.
    """

    def __init__(
        self,
        deployments: Sequence[Deployment],
        digest: str,
        clock: Callable[[], float],
        places: Places | None = None,
        seed: int = 0,
        times: Times | None = None,
    ) -> None:
        self._clock = clock
        self._times = times
        self._places = places or OwnPlaces()
        self._seed = seed
        self._known: list[_Known] = []
        self._sent: dict[tuple[str, str], int] = {}
        self._due = inf
        self.replace(deployments, digest)

    def replace(self, deployments: Sequence[Deployment], digest: str) -> None:
        """Another fleet from now on; the same model served at the same node keeps its state."""
        before = {_same(known.deployment): known for known in self._known}
        self._known = []
        for deployment in deployments:
            known = before.get(_same(deployment)) or self._new(deployment)
            known.deployment = deployment
            self._known.append(known)
        self._deployments = tuple(deployments)
        self._digest = digest
        self._names = [deployment.name for deployment in deployments]
        self._index = {name: at for at, name in enumerate(self._names)}
        self._numbers = {known.number: known for known in self._known}
        self._groups = _groups(deployments)
        self._compared: dict[tuple[str, bool], float] = {}
        self._view: FleetView | None = None
        self._version = -1
        self._look_again()

    def view(self) -> FleetView:
        """The fleet as it is now; the same object until something changes."""
        if self._due <= self._clock():
            self._let_try()
        version = self._places.version()
        if self._view is None or version != self._version:
            self._version = version
            counts = self._places.counts(self._names)
            for known, count in zip(self._known, counts, strict=True):
                if known.state.in_flight != count:
                    known.state = DeploymentState(known.health, count, known.state.pace)
            states = tuple([known.state for known in self._known])
            self._view = FleetView(self._deployments, states, self._digest)
        return self._view

    def set_health(self, deployment: str, health: Health) -> None:
        """What a supervisor knows; of a deployment that is not in the fleet, nothing is kept."""
        known = self._of(deployment)
        if known is None or known.told is health:
            return
        known.told = health
        if health is Health.HEALTHY:
            known.trial = False
            self._set(known, breakers.closed(known.breaker, self._clock()))
        self._show(known)

    def probed(self, deployment: str, well: bool) -> None:
        """What a probe found, which is nobody's request."""
        known = self._of(deployment)
        if known is not None:
            self._set(known, breakers.probed(known.breaker, well, self._clock(), known.key))

    def began(self, deployment: str) -> bool:
        """Takes a place in flight; False when there is none, or no such deployment any more.

        Nothing goes where a breaker is open, and one at a time where it is half open. What is
        ejected is asked all the same: placement names it only where nobody else is left.
        """
        known = self._of(deployment)
        if known is None:
            return False
        phase = breakers.at(known.breaker, self._clock()).phase
        shut = phase is Phase.OPEN and known.breaker.health is not Health.EJECTED
        if shut or (phase is Phase.HALF_OPEN and known.trial):
            return False
        if not self._places.take(deployment, known.deployment.max_in_flight):
            return False
        known.trial = phase is Phase.HALF_OPEN
        return True

    def sent(self, deployment: str, request: str) -> None:
        """Remembers under which load it was sent, for what is learned when it ends."""
        if len(self._sent) >= _MOST_SENT:  # such whose end was never told
            del self._sent[next(iter(self._sent))]
        self._sent[request, deployment] = self._places.count(deployment) - 1

    def ended(
        self,
        deployment: str,
        request: str,
        end: End,
        measured: Measured | None,
        retry_after_s: float | None = None,
    ) -> None:
        """`retry_after_s` is what a rate limit said, where it did.

        Of a prompt that was not read to its end, the times say nothing.
        """
        load = self._sent.pop((request, deployment), self._places.count(deployment) - 1)
        self._places.give_back(deployment)
        known = self._of(deployment)
        if known is None:  # a fleet without it was loaded meanwhile
            return
        known.trial = False
        now = self._clock()
        if measured is not None and end is not End.TRUNCATED:
            self._learn(known, measured, load := max(0, load))
            if self._times is not None:
                self._times.tell(known.number, measured, load)
        breaker = breakers.at(known.breaker, now)
        self._set(known, breakers.ended(breaker, end, now, known.key, retry_after_s))
        self._compare(known, now)

    def again_s(self, deployments: Iterable[str]) -> float | None:
        """In how many seconds the first of these may be tried; None where nobody knows.

        So it is of one that is full, that Situs starts, or that is being tried just now.
        """
        now = self._clock()
        found = (self._again_s(known, now) for name in deployments if (known := self._of(name)))
        return min((again_s for again_s in found if again_s is not None), default=None)

    def teach(self, learned: Mapping[str, Learned]) -> None:
        """From now on each is as fast as this says; of those that are not named nothing is known.

        Answers before do not make one an outlier.
        """
        for known in self._known:
            found = learned.get(known.deployment.name)
            known.learned = found or beginning(known.deployment)
            known.compared_at = known.learned.samples
            self._tell(known, known.learned.pace if found else None)

    def hear(self) -> None:
        """Learns what other processes measured since it was asked last."""
        if self._times is not None:
            for number, measured, load in self._times.heard():
                if (known := self._numbers.get(number)) is not None:
                    self._learn(known, measured, load)

    def conditions(self) -> dict[str, Condition]:
        """Why each deployment is as it is."""
        now = self._clock()
        return {known.deployment.name: _condition(known, now) for known in self._known}

    def _new(self, deployment: Deployment) -> _Known:
        key = f"{deployment.name}\0{self._seed}".encode()
        learned, breaker = beginning(deployment), Breaker(since=self._clock())
        return _Known(deployment, key, learned, breaker, number_of(deployment))

    def _again_s(self, known: _Known, now: float) -> float | None:
        if known.health is not known.breaker.health:  # its supervisor knows
            return None
        breaker = breakers.at(known.breaker, now)
        if breaker.phase is Phase.OPEN and breaker.health is not Health.EJECTED:
            return breaker.until - now
        deployment = known.deployment
        full = self._places.count(deployment.name) >= deployment.max_in_flight
        return None if full or (breaker.phase is Phase.HALF_OPEN and known.trial) else 0.0

    def _of(self, deployment: str) -> _Known | None:
        at = self._index.get(deployment)
        return None if at is None else self._known[at]

    def _learn(self, known: _Known, measured: Measured, load: int) -> None:
        known.learned = learn(known.learned, measured, load)
        if moved(known.learned, known.state.pace):
            self._tell(known, known.learned.pace)

    def _tell(self, known: _Known, pace: Pace | None) -> None:
        known.state = DeploymentState(known.state.health, known.state.in_flight, pace)
        self._view = None

    def _compare(self, known: _Known, now: float) -> None:
        """Once a second at most, whether somebody in its group is much worse than the others."""
        kind = _kind(known.deployment)
        group = self._groups.get(kind)
        if group is None or now - self._compared.get(kind, -inf) < _COMPARED_S:
            return
        self._compared[kind] = now
        members = [self._known[at] for at in group]
        for place, why in outliers([_standing(one) for one in members]):
            one = members[place]
            one.compared_at = one.learned.samples
            self._set(one, breakers.ejected(one.breaker, why, now, one.key))

    def _set(self, known: _Known, breaker: Breaker) -> None:
        if breaker is known.breaker:
            return
        known.breaker = breaker
        if breaker.phase is Phase.OPEN:
            self._due = min(self._due, breaker.until)
        self._show(known)

    def _show(self, known: _Known) -> None:
        if known.state.health is not known.health:
            known.state = DeploymentState(known.health, known.state.in_flight, known.state.pace)
            self._view = None

    def _let_try(self) -> None:
        now = self._clock()
        for known in self._known:
            self._set(known, breakers.at(known.breaker, now))
        self._look_again()

    def _look_again(self) -> None:
        """When the next open breaker is to be looked at."""
        open_ = [one.breaker.until for one in self._known if one.breaker.phase is Phase.OPEN]
        self._due = min(open_, default=inf)


def _same(deployment: Deployment) -> tuple[str, str, str]:
    return deployment.name, deployment.node, deployment.model.name


def _kind(deployment: Deployment) -> tuple[str, bool]:
    """What is compared with each other."""
    return deployment.model.name, deployment.locus.owned


def _groups(deployments: Sequence[Deployment]) -> Mapping[tuple[str, bool], list[int]]:
    found: dict[tuple[str, bool], list[int]] = {}
    for at, deployment in enumerate(deployments):
        found.setdefault(_kind(deployment), []).append(at)
    return {kind: group for kind, group in found.items() if len(group) >= LEAST}


def _standing(known: _Known) -> Standing:
    breaker, learned = known.breaker, known.learned
    taught = learned.samples - known.compared_at >= _TAUGHT
    slow = slowness(learned, known.deployment, _TYPICAL_TOKENS) if taught else None
    ejected = known.health is Health.EJECTED
    shut = breaker.phase is not Phase.CLOSED or known.health not in _SERVING
    return Standing(breaker.asked, breaker.failed, slow, shut, ejected)


_SERVING = frozenset({Health.UNKNOWN, Health.HEALTHY})


def _condition(known: _Known, now: float) -> Condition:
    breaker = known.breaker
    if known.health is not breaker.health:
        return Condition(known.health, why="supervisor")
    again_s = max(0.0, breaker.until - now) if breaker.phase is Phase.OPEN else None
    for_s = max(0.0, now - breaker.since)
    return Condition(breaker.health, for_s, breaker.why, again_s, breaker.tries)
