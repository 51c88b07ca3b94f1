"""What the whole file, a tenant or a route may say about how places are chosen."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from situs.core.aim import Mode
from situs.core.request import Objective

Share = Annotated[float, Meta(ge=0, le=1)]


class Cascade(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ask a lesser model first, and a better one where its answer is not to be trusted."""

    error_rate: Annotated[
        float, Meta(gt=0, lt=1, description="The share of wrong answers that may be kept.")
    ] = 0.1
    window_tokens: Annotated[
        int, Meta(ge=1, le=1024, description="So much of a stream is judged before it goes on.")
    ] = 32
    votes: Annotated[
        int, Meta(ge=1, le=9, description="Above 1: so many answers are asked for and compared.")
    ] = 1


class Guard(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ends a pilot by itself where it does worse than the baseline."""

    metric: Annotated[
        Literal["errors", "ttft_p95", "e2e_p95", "cost", "unsure"],
        Meta(description="What is compared between the pilot and the baseline."),
    ]
    worse_by: Annotated[
        float, Meta(ge=0, le=10, description="So much worse is still borne: 0.2 is a fifth.")
    ] = 0.2
    least: Annotated[
        int, Meta(ge=10, le=500, description="So many requests of either are needed to judge.")
    ] = 50


class Aims(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is not said here is as the next wider place says: route, tenant, defaults."""

    objective: Annotated[Objective | None, Meta(description="What placement optimises.")] = None
    quality: Annotated[
        Share | None,
        Meta(
            description="`cheapest_adequate`: the share of the best expected quality that is good "
            "enough. Without it, 0.95."
        ),
    ] = None
    mode: Annotated[
        Mode | None,
        Meta(
            description="Who serves while moving in; without one, the objective decides. `none`: "
            "no mode here, whatever a wider place says."
        ),
    ] = None
    baseline: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64)] | None,
        Meta(description="The deployment that serves in `observe`, `shadow` and `pilot`."),
    ] = None
    share: Annotated[
        Share | None, Meta(description="The share of sessions (or requests) in the pilot.")
    ] = None
    guard: Annotated[
        Guard | None, Meta(description="Roll a pilot back by itself where it does worse.")
    ] = None
    cascade: Annotated[
        Cascade | None, Meta(description="Ask a lesser model first where that is allowed.")
    ] = None
    hedge: Annotated[
        bool | None,
        Meta(description="Ask a second place, no less trusted, where the first is late."),
    ] = None


class Tenant(Aims, frozen=True, kw_only=True):
    """What holds for the keys of one tenant."""
