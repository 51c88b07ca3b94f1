"""Who serves while an organisation moves from what it had to what Situs picks.

`cloud_default` and `local_default` are a matter of rank (`placement.order`); the modes with a
baseline change who of the ranking is asked first, and nothing of what policy allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from situs.core.aim import BASED, Aim, Mode, Moded
from situs.core.decision import Placement
from situs.core.fleet import Deployment
from situs.core.request import Request

PICK, BASELINE, SAME = "pick", "baseline", "same"


class Served(Struct, frozen=True):
    """Who is asked, first to last, whom Situs would have asked first, and who gets a copy."""

    order: list[int]
    pick: str | None = None
    copies: tuple[str, ...] = ()


def drawn(aim: Aim, request: Request, rolled_back: frozenset[str] = frozenset()) -> Aim:
    """The aim of this very request: its `share` is 1 if the request is in the pilot, else 0.

    All requests of a session are in the pilot or none is; a hash of tenant and session decides,
    without a session one of the request's id. A copy has no mode: it goes where it is to go.
    """
    if request.copy is not None:
        return replace(aim, mode=None, scope="", cascade=None, hedge=False)
    if aim.mode is not Mode.PILOT:
        return aim
    piloted = aim.scope not in rolled_back and _number(request) < aim.share
    return replace(aim, share=1.0 if piloted else 0.0)


def apply_mode(order: list[int], at: Sequence[int], names: Sequence[str], aim: Aim) -> Served:
    """The order (columns, whose positions in the fleet are `at`) as the mode has it.

    The baseline comes first, before all that stand in for it; in the pilot it comes right after the
    pick. Where it may not serve this request, or cannot now, the ranking stays as it is.
    """
    if aim.mode not in BASED or not order:
        return Served(order)
    pick, others = order[0], order[1:]
    picked = names[at[pick]]
    try:
        baseline = at.index(names.index(aim.baseline or ""))
        others.remove(baseline)
    except ValueError:  # it is the pick, or out
        return Served(order, picked)
    if aim.mode is Mode.PILOT and aim.share:
        return Served([pick, baseline, *others], picked)
    copies = (picked,) if aim.mode is Mode.SHADOW else ()
    return Served([baseline, pick, *others], picked, copies)


def moded(placement: Placement) -> Moded | None:
    """How a request was served, for those who compare; None without a mode."""
    mode, ranked, aim = placement.mode, placement.ranked, placement.given.aim
    if mode is None:
        return None
    names = {one.deployment for one in ranked}
    if mode not in BASED or placement.pick == aim.baseline or aim.baseline not in names:
        return Moded(mode, aim.scope, SAME)
    first = ranked[0].deployment
    return Moded(mode, aim.scope, BASELINE if first == aim.baseline else PICK)


def decided(placement: Placement, deployment: Deployment | None) -> str:
    """What made it this one, in a word: the mode if it puts this one first, else the objective."""
    mode, aim = placement.mode, placement.given.aim
    if mode is None or deployment is None:
        return placement.objective.value
    if mode in BASED:
        piloted = mode is Mode.PILOT and aim.share > 0.0
        first = deployment.name == (placement.pick if piloted else aim.baseline)
    else:
        first = deployment.locus.owned is (mode is Mode.LOCAL_DEFAULT)
    return mode.value if first else placement.objective.value


def _number(request: Request) -> float:
    """Evenly from 0 to below 1."""
    tenant, session = request.principal.tenant, request.ask.session
    unit = f"id\n{request.id}" if session is None else f"session\n{tenant}\n{session}"
    digest = sha256(unit.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)
