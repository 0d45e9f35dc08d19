"""What a rising load shows: best latency, top load without deterioration, knee and peak.

A curve is a list of points, a load and the numbers measured at it. The grid's cells, a ramp's
steps and a sizing's users are all such curves, so all of them are read by this one code.
"""

from collections.abc import Sequence

from msgspec import Struct

from llmbench.results import CellSummary


class Point(Struct, frozen=True):
    """A load (users, or requests/s asked) and what was measured at it."""

    load: float
    summary: CellSummary

    @property
    def requests_per_s(self) -> float:
        return self.summary.requests_per_s or 0.0


class Deterioration(Struct, frozen=True):
    """When latency counts as significantly worse: above `factor` times that of the least load.

    The median by default: it needs 7 samples to be a fact, p95 needs 90, and the steps of a ramp
    hold tens of requests. `errors`: the largest error rate at which a load is sustained.
    """

    factor: float = 2.0
    percentile: str = "p50"
    errors: float = 0.01


class Findings(Struct, frozen=True):
    """What a curve shows. ``None``: no point of it succeeded, or too few points to tell."""

    best_latency: Point | None  # the least load
    sustained: Point | None  # most requests/s without significant deterioration
    knee: Point | None  # Kneedle
    peak: Point | None  # most output tokens/s (requests/s where tokens are not known)
    latency_limit_ms: float | None  # what `sustained` had to stay within
    rule: Deterioration


RULE = Deterioration()

RATE_NOISE = 0.03
"""How much requests/s may differ, relatively, from one measurement of a load to the next."""

LEAST_BEND = 5 * RATE_NOISE
"""Of the scaled curve: noise bends a line of twenty loads by more in one run of a thousand."""

SENSITIVITY = 1.0
"""Kneedle's S; 1 is the paper's own choice."""


def findings(curve: Sequence[Point], rule: Deterioration = RULE) -> Findings:
    """All that a curve shows, by the rules of docs/metrics.md."""
    least = best_latency(curve)
    base = None if least is None else latency_ms(least, rule.percentile)
    return Findings(
        best_latency=least,
        sustained=sustained(curve, rule),
        knee=knee(curve),
        peak=peak(curve),
        latency_limit_ms=None if base is None else rule.factor * base,
        rule=rule,
    )


def curve_of(summaries: Sequence[CellSummary]) -> list[Point]:
    """Cells that differ in users or rate only, by load; the median repeat (by requests/s) of each.

    Shapes that have no one load (ramps, traces) are left out.
    """
    loads: dict[float, list[CellSummary]] = {}
    for summary in summaries:
        load = summary.cell.shape.load
        if load is not None:
            loads.setdefault(load, []).append(summary)
    return [Point(load, _median(loads[load])) for load in sorted(loads)]


def latency_ms(point: Point, percentile: str = "p50") -> float | None:
    """Latency of a request at a load; in open loop from the schedule, so that queueing counts."""
    found = point.summary.scheduled_latency_ms or point.summary.latency_ms
    return None if found is None else float(getattr(found, percentile))


def best_latency(curve: Sequence[Point]) -> Point | None:
    """The point of least load that has a latency of its own (the blog: one user).

    That of an overloaded server is of the moment only.
    """
    known = [p for p in curve if latency_ms(p) is not None and not p.summary.overloaded]
    return min(known, key=lambda point: point.load, default=None)


def peak(curve: Sequence[Point]) -> Point | None:
    """The point of most output tokens/s, at the least load that reaches it."""
    known = [point for point in curve if point.requests_per_s > 0]
    return max(known, key=lambda p: (_throughput(p), -p.load), default=None)


def sustained(curve: Sequence[Point], rule: Deterioration = RULE) -> Point | None:
    """Max RPS without significant deterioration (the blog), as a rule.

    Of the loads from the least up to the first at which latency exceeds `rule.factor` times
    that of the least load, or errors `rule.errors`, or the server is overloaded: the one of most
    requests/s.
    """
    least = best_latency(curve)
    base = None if least is None else latency_ms(least, rule.percentile)
    if base is None:
        return None
    fine: list[Point] = []
    for point in sorted(curve, key=lambda p: p.load):
        found = latency_ms(point, rule.percentile)
        if found is None or found > rule.factor * base or point.summary.error_rate > rule.errors:
            break
        if point.summary.overloaded:
            break
        fine.append(point)
    return max(fine, key=lambda point: point.requests_per_s, default=None)


def knee(curve: Sequence[Point]) -> Point | None:
    """The load from which more load brings little: Kneedle's knee of a rising, concave curve.

    Load and requests/s are scaled to 0..1. The knee is where the curve lies highest above the
    diagonal (the least load that does so but for noise), if it then falls back towards it by
    `SENSITIVITY` mean steps of load, as the paper asks, and by more than noise makes it.
    None for fewer than three points, a straight line, or a throughput that hardly changes.
    Source: Satopää, Albrecht, Irwin, Raghavan (2011), "Finding a 'Kneedle' in a Haystack";
    error rates: tests/perf/knee_error_rates.py.
    """
    points = sorted((p for p in curve if p.requests_per_s > 0), key=lambda p: p.load)
    if len(points) < 3:
        return None
    low, span = points[0].load, points[-1].load - points[0].load
    rates = [point.requests_per_s for point in points]
    least, rise = min(rates), max(rates) - min(rates)
    if span <= 0 or rise <= LEAST_BEND * max(rates):
        return None
    above = [(p.requests_per_s - least) / rise - (p.load - low) / span for p in points]
    top = next(k for k, height in enumerate(above) if height >= max(above) - RATE_NOISE)
    fall = max(above) - min(above[top:])
    bends = fall >= max(SENSITIVITY / (len(points) - 1), LEAST_BEND)
    return points[top] if bends else None


def _throughput(point: Point) -> float:
    tokens = point.summary.output_tokens_per_s
    return point.requests_per_s if tokens is None else tokens


def _median(repeats: Sequence[CellSummary]) -> CellSummary:
    ordered = sorted(repeats, key=lambda s: s.requests_per_s or 0.0)
    return ordered[(len(ordered) - 1) // 2]
