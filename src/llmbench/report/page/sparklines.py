"""Draws small charts of one cell as SVG of a few hundred bytes, so that 200 cells fit a page."""

from collections.abc import Sequence
from html import escape

from llmbench.report.numbers import number

WIDTH, HEIGHT = 300, 110
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 294, 8, 88


def ecdf(shares: Sequence[float], values: Sequence[float], unit: str, label: str) -> str:
    """The share of requests at or below each value, with p50 and p95 marked; '' without values."""
    if not values:
        return ""
    room = 0.04 * (max(values) - min(values)) or 0.04 * max(values) or 1.0
    low, high = max(0.0, min(values) - room), max(values) + room
    points = [f"{_x(low, low, high):.1f},{_BOTTOM}"]
    before = 0.0
    for share, value in zip(shares, values, strict=True):
        x = _x(value, low, high)
        points += [f"{x:.1f},{_y(before):.1f}", f"{x:.1f},{_y(share):.1f}"]
        before = share
    middle, tail = at(shares, values, 0.5), at(shares, values, 0.95)
    points.append(f"{_RIGHT},{_TOP}")
    marks = _mark(middle, low, high, "p50", unit) + _mark(tail, low, high, "p95", unit, last=True)
    description = f"{label}: p50 {number(middle)} {unit}, p95 {number(tail)} {unit}"
    return _svg(f'<path class="line" d="M{" L".join(points)}"/>{marks}', description)


def trace(times: Sequence[float], values: Sequence[float], unit: str, label: str) -> str:
    """A quantity over the seconds of a cell, from 0 up; '' with fewer than two samples."""
    if len(values) < 2 or times[-1] <= times[0]:
        return ""
    high = max(values) * 1.1 or 1.0
    spots = [
        f"{_x(t, times[0], times[-1]):.1f},{_y(v / high):.1f}"
        for t, v in zip(times, values, strict=True)
    ]
    top = max(values)
    seconds = number(times[-1] - times[0])
    words = f'<text x="{_LEFT}" y="104">{seconds} s</text>'
    words += (
        f'<text x="{_RIGHT}" y="104" text-anchor="end">at most {number(top)} {escape(unit)}</text>'
    )
    description = f"{label}: at most {number(top)} {unit} over {seconds} s"
    return _svg(f'<path class="line" d="M{" L".join(spots)}"/>{words}', description)


def at(shares: Sequence[float], values: Sequence[float], share: float) -> float:
    """The smallest value with at least `share` of the samples at or below it."""
    return next(v for s, v in zip(shares, values, strict=True) if s >= share - 1e-12)


def _mark(value: float, low: float, high: float, name: str, unit: str, last: bool = False) -> str:
    x = _x(value, low, high)
    place = f'x="{_RIGHT}" text-anchor="end"' if last else f'x="{_LEFT}"'
    return (
        f'<path class="mark" d="M{x:.1f},{_TOP} V{_BOTTOM}"/>'
        f'<text {place} y="104">{name} {number(value)} {escape(unit)}</text>'
    )


def _svg(body: str, description: str) -> str:
    axis = f'<path class="axis" d="M{_LEFT},{_BOTTOM} H{_RIGHT}"/>'
    return (
        f'<svg class="small" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(description, quote=True)}">{axis}{body}</svg>'
    )


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)
