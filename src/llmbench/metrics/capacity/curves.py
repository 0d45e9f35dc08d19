"""Finds what a rising load shows: best latency, top load without deterioration, knee and peak.

A curve is a list of points; each is a load and the numbers measured at it. The grid's cells, a
ramp's steps and a sizing's users are all such curves, so this one code reads all of them.
"""

from collections.abc import Sequence

from msgspec import Struct

from llmbench.results import CellSummary


class Point(Struct, frozen=True):
    """A load (users, or requests/s asked for) and the numbers measured at it."""

    load: float
    summary: CellSummary

    @property
    def requests_per_s(self) -> float:
        return self.summary.requests_per_s or 0.0


class Deterioration(Struct, frozen=True):
    """The rule by which latency is significantly worse: above `factor` times the least load's.

    The percentile is the median by default: it needs 7 samples to be certain, p95 needs 90, and
    the steps of a ramp have tens of requests. `errors` is the largest error rate of a load that
    counts as sustained.
    """

    factor: float = 2.0
    percentile: str = "p50"
    errors: float = 0.01


class Findings(Struct, frozen=True):
    """What a curve shows; ``None`` where no point succeeded, or where there are too few points."""

    best_latency: Point | None  # the least load
    sustained: Point | None  # most requests/s without significant deterioration
    knee: Point | None  # Kneedle
    peak: Point | None  # most output tokens/s (requests/s where tokens are not known)
    latency_limit_ms: float | None  # what `sustained` had to stay within
    rule: Deterioration


RULE = Deterioration()

RATE_NOISE = 0.03
"""Two measurements of the same load may differ in requests/s by this share."""

LEAST_BEND = 5 * RATE_NOISE
"""The least bend of the scaled curve that makes a knee.

Noise bends a straight line of twenty loads by more than this in one run of a thousand.
"""

SENSITIVITY = 1.0
"""Kneedle's S; 1 is the paper's own choice."""


def findings(curve: Sequence[Point], rule: Deterioration = RULE) -> Findings:
    """All that a curve shows, according to the rules of docs/metrics.md."""
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
    """Cells that differ only in users or rate, by load; each gives its median repeat (requests/s).

    Shapes that have no one load (ramps, traces) are left out.
    """
    loads: dict[float, list[CellSummary]] = {}
    for summary in summaries:
        load = summary.cell.shape.load
        if load is not None:
            loads.setdefault(load, []).append(summary)
    return [Point(load, _median(loads[load])) for load in sorted(loads)]


def latency_ms(point: Point, percentile: str = "p50") -> float | None:
    """The latency at a load; in an open loop it counts from the schedule, so queueing counts."""
    latency = point.summary.scheduled_latency_ms or point.summary.latency_ms
    return None if latency is None else float(getattr(latency, percentile))


def best_latency(curve: Sequence[Point]) -> Point | None:
    """The point of least load that has a latency; TrueFoundry's blog post takes one user.

    An overloaded server has none, since its latency grows for as long as the load lasts.
    """
    candidates = [p for p in curve if latency_ms(p) is not None and not p.summary.overloaded]
    return min(candidates, key=lambda point: point.load, default=None)


def peak(curve: Sequence[Point]) -> Point | None:
    """The point of most output tokens/s, at the least load that reaches it."""
    answered = [point for point in curve if point.requests_per_s > 0]
    return max(answered, key=lambda p: (_throughput(p), -p.load), default=None)


def sustained(curve: Sequence[Point], rule: Deterioration = RULE) -> Point | None:
    """TrueFoundry's blog post's "max RPS without significant deterioration", as a rule.

    The loads are tried from the least up to the first at which latency exceeds `rule.factor` times
    that of the least load, errors exceed `rule.errors`, or the server is overloaded. Among those
    before it, this is the load of most requests/s.
    """
    least = best_latency(curve)
    base = None if least is None else latency_ms(least, rule.percentile)
    if base is None:
        return None
    sound: list[Point] = []
    for point in sorted(curve, key=lambda p: p.load):
        latency = latency_ms(point, rule.percentile)
        if latency is None or latency > rule.factor * base:
            break
        if point.summary.error_rate > rule.errors:
            break
        if point.summary.overloaded:
            break
        sound.append(point)
    return max(sound, key=lambda point: point.requests_per_s, default=None)


def knee(curve: Sequence[Point]) -> Point | None:
    """The load beyond which more load brings little: Kneedle's knee of a rising, concave curve.

    Load and requests/s are scaled to 0..1. The knee is where the curve lies highest above the
    diagonal; of loads that are as high but for noise it is the least. The curve must then fall back
    towards the diagonal by `SENSITIVITY` mean steps of load, as the paper asks, and by more than
    noise does.
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
