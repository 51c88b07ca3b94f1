"""What placement is to aim at, and how far a request has come on the way from rented to owned."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from situs.core.request import Objective


class Mode(StrEnum):
    """Who serves: the `baseline` that was there before, or the place that Situs picks.

    `observe`: the baseline serves; what Situs would have picked is on record. `shadow`: so too, and
    the pick answers a copy, off the request path. `pilot`: a share of the sessions goes to the
    pick. `cloud_default`: places that are not owned come first, owned ones stand in for them.
    `local_default`: owned places come first, others only where these fail or are unsure. `none`, in
    a configuration only: no mode, whatever a wider place says.
    """

    OBSERVE = "observe"
    SHADOW = "shadow"
    PILOT = "pilot"
    CLOUD_DEFAULT = "cloud_default"
    LOCAL_DEFAULT = "local_default"
    NONE = "none"


BASED = frozenset({Mode.OBSERVE, Mode.SHADOW, Mode.PILOT})
"""The modes with a baseline."""


class Cascade(Struct, frozen=True):
    """Ask a lesser model first, and a better one where its answer is not to be trusted.

    `error_rate` is the share of wrong answers that may be kept, `window_tokens` how much of a
    stream is looked at before its first byte goes on. `votes` above 1: so many answers are asked
    for and compared.
    """

    error_rate: float = 0.1
    window_tokens: int = 32
    votes: int = 1


class Aim(Struct, frozen=True, omit_defaults=True):
    """How to choose among the places that are allowed.

    `quality` is the share of the best expected quality that is good enough for
    `cheapest_adequate`. Without a `mode` the objective alone decides. `baseline` names the
    deployment of the modes that have one, `share` of the sessions are in the pilot; in a decision
    it is 1 for who is, and 0 for who is not. `scope` says where the mode was said (or that there is
    none): `defaults`, `tenants.NAME` or `routes.NAME`. With `hedge` a second place is asked where
    the first is late.
    """

    objective: Objective = Objective.CHEAPEST_ADEQUATE
    quality: float = 0.95
    mode: Mode | None = None
    baseline: str | None = None
    share: float = 0.0
    cascade: Cascade | None = None
    hedge: bool = False
    scope: str = ""


class Moded(Struct, frozen=True):
    """In which mode a request was served, where that was said, and who was asked first.

    `group` is `pick` or `baseline` where these are two; `same` where there is nothing to compare.
    """

    mode: Mode
    scope: str
    group: str
