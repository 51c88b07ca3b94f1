"""How the running system is, as its parent process sees it at one moment."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from situs.core.fleet import Condition, FleetView


class Status(Struct, frozen=True):
    """What no receipt says: the processes, the fleet's health, and what was refused undecided.

    `url` is where it listens, `started_at` wall time in seconds. `generation` is 0 at the start
    and grows with every reload, `policy` is the digest of the loaded policy, `revision` that
    which its bundle names, `routes` are the configured names. `refused` counts answers given
    before any decision (by error code) since the start, over all workers, those that have ended
    included. `recording` says why receipts cannot be written; None while they can. `index_lag_s`
    is how long ago the index last had every receipt, `anchor_age_s` how long ago the newest
    checkpoints were anchored (None: they are not to be), `held` how many requests wait for a
    person. `conditions` say what the health of deployments is due to. `probed` counts probes by
    deployment and result, `probe_costs` is the money for them by deployment, since the start.
    `copies` counts copies of requests by what became of them, `rolled_back` are the scopes of
    pilots that were ended.
    """

    version: str
    started_at: float
    fleet: FleetView
    url: str = ""
    workers: int = 1
    generation: int = 0
    policy: str = ""
    revision: str = ""
    routes: tuple[str, ...] = ()
    refused: Mapping[str, int] = {}
    restarts: int = 0
    cut: int = 0
    recording: str | None = None
    index_lag_s: float = 0.0
    anchor_age_s: float | None = None
    spans_dropped: int = 0
    held: int = 0
    problems: tuple[str, ...] = ()
    conditions: Mapping[str, Condition] = {}
    probed: Mapping[tuple[str, str], int] = {}
    probe_costs: Mapping[str, float] = {}
    copies: Mapping[str, int] = {}
    rolled_back: frozenset[str] = frozenset()
