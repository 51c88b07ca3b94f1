"""Draws curves of cost and quality as SVG, by hand: no package is needed for eight lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

Curve = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 16, 52
_COST, _QUALITY = (0.0, 0.75), (0.56, 0.74)
"""What is shown: dollars for 1,000 questions, share of right answers."""

_SHOWN = {
    "oracle": ("#999999", "6 4"),
    "random": ("#999999", "2 3"),
    "40 nearest neighbours": ("#b8860b", ""),
    "two models by the same head": ("#1f6fb4", ""),
    "cheapest_adequate": ("#c0392b", ""),
}


def chart(curves: Mapping[str, Curve], share: float) -> str:
    """The SVG. `random` is the line between two models, `single models` are points."""
    best = max(quality for _, quality in curves["single models"])
    drawn = [_axes(), _level(share * best, f"{share:.0%} of the best model")]
    names = []
    for name, (colour, dash) in _SHOWN.items():
        points = _inside(_rising(curves[name]))
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
        names.append((name, colour))
    for cost, quality in curves["single models"]:
        for x, y in _inside([(cost, quality)]):
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#333333"/>')
    names.append(("single models (points)", "#333333"))
    for at, (name, colour) in enumerate(reversed(names)):
        y = _HEIGHT - _BOTTOM - 14 - 18 * (len(names) - 1 - at)
        drawn.append(f'<text x="{_WIDTH - 250}" y="{y}" fill="{colour}">{escape(name)}</text>')
    inner = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n{inner}\n</svg>\n'
    )


def _rising(curve: Curve) -> list[tuple[float, float]]:
    """Points that nothing cheaper is as good as."""
    found: list[tuple[float, float]] = []
    for cost, quality in sorted(curve):
        if not found or quality > found[-1][1]:
            found.append((cost, quality))
    return found


def _inside(curve: Curve) -> list[tuple[float, float]]:
    return [
        (_x(1000 * cost), _y(quality))
        for cost, quality in curve
        if 1000 * cost <= _COST[1] and _QUALITY[0] <= quality <= _QUALITY[1]
    ]


def _x(cost: float) -> float:
    return _LEFT + (cost - _COST[0]) / (_COST[1] - _COST[0]) * (_WIDTH - _LEFT - _RIGHT)


def _y(quality: float) -> float:
    part = (quality - _QUALITY[0]) / (_QUALITY[1] - _QUALITY[0])
    return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)


def _axes() -> str:
    drawn = []
    for step in range(6):
        cost = _COST[0] + step * (_COST[1] - _COST[0]) / 5
        drawn.append(
            f'<text x="{_x(cost):.1f}" y="{_HEIGHT - 30}" text-anchor="middle">{cost:.2f}</text>'
        )
    for step in range(7):
        quality = _QUALITY[0] + step * (_QUALITY[1] - _QUALITY[0]) / 6
        y = _y(quality)
        drawn.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="#eeeeee"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{quality:.2f}</text>'
        )
    drawn.append(
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">'
        "US dollars for 1,000 questions</text>"
        f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        "share of right answers</text>"
    )
    return "\n".join(drawn)


def _level(quality: float, name: str) -> str:
    y = _y(quality)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#333333" '
        f'stroke-dasharray="1 3"/>'
        f'<text x="{_WIDTH - _RIGHT - 4}" y="{y - 4:.1f}" text-anchor="end">{name}</text>'
    )
