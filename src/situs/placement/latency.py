"""How long a deployment takes, and how that is learned from what it took.

TTFT  = fixed_s + prompt tokens not in its cache x prompt_s + requests that wait there x wait_s
token = token_s + prompt tokens x context_s + requests in flight there x crowd_s
E2E   = TTFT + completion tokens x token

Those wait for which there is no slot; where it is not known how many there are, all do.

Each of the two sums is fitted by an extended Kalman filter over the logarithms of its three
coefficients, with the logarithm of the time as what is observed: they stay positive, errors count
by ratio, and a slow answer in ten says little (Huber's clip). See docs/explanation/latency.md.
"""

from __future__ import annotations

from math import exp, log, sqrt

from msgspec import Struct
from msgspec.structs import astuple

from situs.core.fleet import Deployment, DeploymentState, Pace
from situs.core.record import Measured

_LATE = 2.0
_TOLD = 0.02
_LEAST_LOAD = 0.05
_CONTEXT = 1e-5
_LEAST_S = 1e-4
_CLIP = 1.5
_DOUBT = 1.0
_DRIFT = 0.0004
_DRIFT_BIASED = 0.09
_BIASED = 0.75
_LEAST_SPREAD = 0.05
_MOST = 1000.0
_LEAST, _GREATEST = 1e-9, 1e4
_OLD_S = 7 * 86400.0


class Fit(Struct, frozen=True):
    """Three coefficients and what is known of them.

    `p00`… is the covariance of their logarithms, `spread` the typical error of what they say (a
    ratio's logarithm), `bias` in [-1, 1] tells errors that lie on one side for long: a change.
    """

    a: float
    b: float
    c: float
    p00: float = _DOUBT
    p01: float = 0.0
    p02: float = 0.0
    p11: float = _DOUBT
    p12: float = 0.0
    p22: float = 2 * _DOUBT
    spread: float = 0.3
    bias: float = 0.0


class Learned(Struct, frozen=True):
    """What a deployment taught: both fits, and the ratio to what was expected that p95 takes."""

    ttft: Fit
    token: Fit
    late: float = _LATE
    samples: int = 0
    slots: int = 1

    @property
    def pace(self) -> Pace:
        """What predictions need, to four digits."""
        one, two = self.ttft, self.token
        values = (one.a, one.b, one.c, two.a, two.b, two.c, self.late)
        return Pace(*[float(f"{value:.4g}") for value in values])


def beginning(deployment: Deployment) -> Learned:
    """Before anything was measured: what the configuration says."""
    pace = unlearned(deployment)
    ttft = Fit(pace.fixed_s, pace.prompt_s, pace.wait_s)
    token = Fit(pace.token_s, pace.context_s, pace.crowd_s)
    return Learned(ttft, token, pace.late, slots=deployment.cache.slots or 1)


def resumed(learned: Learned, deployment: Deployment, age_s: float) -> Learned:
    """What was learned that long ago: the older, the less sure.

    After seven days new answers move it as easily as what the configuration says.
    """
    share = min(max(age_s, 0.0) / _OLD_S, 1.0)
    one, two = _faded(learned.ttft, share), _faded(learned.token, share)
    return Learned(one, two, learned.late, learned.samples, deployment.cache.slots or 1)


def unlearned(deployment: Deployment) -> Pace:
    """What the configured speed says; under load it is slower by a share of its places."""
    speed, load = deployment.speed, max(1.0 / deployment.max_in_flight, _LEAST_LOAD)
    token_s = 1.0 / speed.completion_tokens_per_s
    return Pace(
        fixed_s=speed.ttft_s,
        prompt_s=1.0 / speed.prompt_tokens_per_s,
        wait_s=speed.ttft_s * load,
        token_s=token_s,
        context_s=token_s * _CONTEXT,
        crowd_s=token_s * load,
        late=_LATE,
    )


def predict(
    deployment: Deployment,
    state: DeploymentState,
    prompt_tokens: int,
    cached_tokens: int = 0,
    completion_tokens: int = 0,
) -> tuple[float, float, float]:
    """Expected TTFT and E2E in seconds, and by when 19 of 20 first tokens are there."""
    base_s, prompt_s, token_s, context_s = loaded(deployment, state)
    fresh = prompt_tokens - cached_tokens if cached_tokens < prompt_tokens else 0
    ttft_s = base_s + fresh * prompt_s
    e2e_s = ttft_s + completion_tokens * (token_s + prompt_tokens * context_s)
    return ttft_s, e2e_s, ttft_s * lateness(state)


def loaded(deployment: Deployment, state: DeploymentState) -> tuple[float, float, float, float]:
    """What times are reckoned from under the present load.

    Seconds: to the first token of an empty prompt, more for each prompt token not in its cache; for
    each token of the answer, more for each prompt token.
    """
    pace, load, slots = state.pace, state.in_flight, deployment.cache.slots or 1
    waiting = load - slots + 1 if load >= slots else 0
    if pace is not None:
        base_s, token_s = pace.fixed_s + waiting * pace.wait_s, pace.token_s + load * pace.crowd_s
        return base_s, pace.prompt_s, token_s, pace.context_s
    speed = deployment.speed  # as `unlearned`, without making one
    share, rate = max(1.0 / deployment.max_in_flight, _LEAST_LOAD), speed.completion_tokens_per_s
    base_s, token_s = speed.ttft_s * (1.0 + waiting * share), (1.0 + load * share) / rate
    return base_s, 1.0 / speed.prompt_tokens_per_s, token_s, _CONTEXT / rate


def lateness(state: DeploymentState) -> float:
    """How many times the expected time is late there: about the p95 of the ratio."""
    return _LATE if state.pace is None else state.pace.late


def learn(learned: Learned, measured: Measured, in_flight: int) -> Learned:
    """What is known after one more answer; `in_flight` others were there when it was asked.

    A stream teaches both sums. A whole answer shows only E2E, which teaches each by its part in
    it. What reports no usage teaches the TTFT of streams alone.
    """
    usage = measured.usage
    prompt, load = float(measured.prompt_tokens), float(in_flight)
    waiting = max(0.0, load - learned.slots + 1)
    fresh, tokens = prompt, 0
    if usage is not None:
        prompt, tokens = float(usage.prompt_tokens), usage.completion_tokens
        fresh = max(0.0, prompt - usage.cached_prompt_tokens)
    one, two, late = learned.ttft, learned.token, learned.late
    ttft_s = one.a + fresh * one.b + waiting * one.c
    token_s = two.a + prompt * two.b + load * two.c
    if measured.ttft_s is not None:
        error = _error(measured.ttft_s, ttft_s)
        late = _later(late, error, one.spread)
        one = _taught(one, fresh, waiting, error, ttft_s)
        if tokens > 1:
            took_s = (measured.duration_s - measured.ttft_s) / (tokens - 1)
            two = _taught(two, prompt, load, _error(took_s, token_s), token_s)
    elif usage is not None:
        e2e_s = ttft_s + tokens * token_s
        error = _error(measured.duration_s, e2e_s)
        late = _later(late, error, one.spread)
        one = _taught(one, fresh, waiting, error, e2e_s)
        if tokens:
            two = _taught(two, prompt, load, error, e2e_s / tokens)
    return Learned(one, two, late, learned.samples + 1, learned.slots)


def moved(learned: Learned, pace: Pace | None) -> bool:
    """Whether what was told says something else by now, by two percent or more."""
    if pace is None:
        return True
    one, two = learned.ttft, learned.token
    return (
        _far(one.a, pace.fixed_s)
        or _far(one.b, pace.prompt_s)
        or _far(one.c, pace.wait_s)
        or _far(two.a, pace.token_s)
        or _far(two.c, pace.crowd_s)
        or _far(learned.late, pace.late)
    )


def _far(value: float, told: float) -> bool:
    far, most = value - told, _TOLD * told
    return far > most or -far > most


def slowness(learned: Learned, deployment: Deployment, prompt_tokens: int) -> float:
    """Learned over configured TTFT of an idle deployment, for a prompt of this length."""
    fit, speed = learned.ttft, deployment.speed
    expected_s = speed.ttft_s + prompt_tokens / speed.prompt_tokens_per_s
    return (fit.a + fit.b * prompt_tokens) / expected_s


def _faded(fit: Fit, share: float) -> Fit:
    """Of what is known of the coefficients, this share is forgotten."""
    values = zip(astuple(fit), astuple(Fit(fit.a, fit.b, fit.c)), strict=True)
    return Fit(*[known + share * (nothing - known) for known, nothing in values])


def _error(took_s: float, expected_s: float) -> float:
    """The logarithm of their ratio, within reason."""
    ratio = max(took_s, _LEAST_S) / max(expected_s, _LEAST_S)
    return log(min(max(ratio, 1 / _MOST), _MOST))


def _later(late: float, error: float, spread: float) -> float:
    """The p95 of the ratio moves a step up where it was exceeded, else a nineteenth down.

    Source: Robbins and Monro (1951), for a quantile.
    """
    step, known = 0.3 * spread, log(late)
    moved = known + step * (0.95 if error > known else -0.05)
    return exp(min(max(moved, 0.1), 3.0))


def _taught(fit: Fit, x: float, y: float, error: float, whole: float) -> Fit:
    """A step of the filter for a + b x + c y, which is a part of `whole` (or all of it)."""
    spread = fit.spread
    h0, h1, h2 = fit.a / whole, fit.b * x / whole, fit.c * y / whole
    g0 = fit.p00 * h0 + fit.p01 * h1 + fit.p02 * h2
    g1 = fit.p01 * h0 + fit.p11 * h1 + fit.p12 * h2
    g2 = fit.p02 * h0 + fit.p12 * h1 + fit.p22 * h2
    expected = h0 * g0 + h1 * g1 + h2 * g2 + spread * spread
    most = _CLIP * sqrt(expected)
    size, side = abs(error), 1.0 if error > 0 else -1.0
    bias = fit.bias + 0.25 * (side * size / max(size, spread) - fit.bias)
    drift = _DRIFT_BIASED if abs(bias) > _BIASED else _DRIFT
    clipped = error if size < most else side * most
    size = min(size, 3 * spread)
    k0, k1, k2 = g0 / expected, g1 / expected, g2 / expected
    return Fit(
        _stepped(fit.a, k0 * clipped),
        _stepped(fit.b, k1 * clipped),
        _stepped(fit.c, k2 * clipped),
        fit.p00 - k0 * g0 + (drift if fit.p00 < _DOUBT else 0.0),
        fit.p01 - k0 * g1,
        fit.p02 - k0 * g2,
        fit.p11 - k1 * g1 + (drift if fit.p11 < _DOUBT else 0.0),
        fit.p12 - k1 * g2,
        fit.p22 - k2 * g2 + (drift if fit.p22 < 2 * _DOUBT else 0.0),
        max(_LEAST_SPREAD, spread + 0.05 * (1.25 * size - spread)),
        bias,
    )


def _stepped(value: float, by: float) -> float:
    """One step is at most a factor of about eight: by Cauchy's inequality, from the clip."""
    moved = value * exp(by)
    if moved < _LEAST:
        return _LEAST
    if moved > _GREATEST:
        return _GREATEST
    return moved
