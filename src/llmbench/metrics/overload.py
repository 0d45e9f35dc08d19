"""Tests whether a queue grows, since then an open loop asks for more than the server can do.

Requests in flight grow by (rate asked - rate served). The rate asked is known exactly, so only the
rate served is estimated, from its counts in blocks of time. That makes the slope's interval far
narrower than one from the counts in flight, which wander with the arrivals (a queue close to its
capacity is a random walk, and a plain trend test calls many of those a trend). Requests in flight
and latency must have risen as well, by Mann-Kendall tests on their block means.
`python -m tests.perf.overload_error_rates` prints how often the three are wrong together.
"""

import math

import numpy as np
import pandas as pd
from msgspec import Struct

from llmbench.cells import Arrivals, Shape
from llmbench.metrics.windows import Array, Mask, Window, since, while_growing

BLOCKS_LEAST, BLOCKS_MOST = 6, 16
ASKED_EACH = 5
"""The mean number of requests in a block; fewer make its count too coarse, more waste blocks."""
SLOPE_ERROR = 0.005
TREND_ERROR = 0.05
UNSERVED = ("dropped", "timeout", "first_token_timeout", "connect_timeout", "cancelled")
"""The ends of requests that the server never got round to; in the queue they wait for ever."""
LEAST_GROWTH = 2.0
"""A queue must have grown by this many requests, as its length is known to one at each end."""


class QueueTrend(Struct, frozen=True):
    """How requests in flight grew in a window: the slope and its lower bound (99.5 %)."""

    growth_per_s: float
    least_growth_per_s: float
    in_flight_p: float  # Mann-Kendall, one-sided, of requests in flight
    latency_p: float  # the same test for latency

    @property
    def grows(self) -> bool:
        """Whether the server could not sustain the rate that was asked."""
        return (
            self.least_growth_per_s > 0
            and self.in_flight_p < TREND_ERROR
            and self.latency_p < TREND_ERROR
        )


def overload(measured: pd.DataFrame, shape: Shape) -> tuple[QueueTrend, Window] | None:
    """How the queue grew, and in which window; None where the load has no steady rate.

    A trace has none: more arrivals towards its end would look like a queue that grows.
    """
    window = while_growing(measured) if isinstance(shape, Arrivals) else None
    if window is None or not isinstance(shape, Arrivals):
        return None
    due_s, done_s = (since(measured, name, window) / 1e9 for name in ("scheduled_ns", "done_ns"))
    served = ~measured["error_kind"].isin(UNSERVED).to_numpy(np.bool_)
    trend = queue_trend(due_s, done_s, served, shape.rate_per_s, window.seconds)
    return None if trend is None else (trend, window)


def queue_trend(
    due_s: Array, done_s: Array, served: Mask, rate_per_s: float, length_s: float
) -> QueueTrend | None:
    """The trend of the queue in the window [0, `length_s`], of requests that were `due_s`.

    `served` are those that the server answered by itself, at `done_s`; all others (dropped, timed
    out, cancelled) wait for ever. None where too few requests were asked for.
    """
    asked = rate_per_s * length_s
    if asked < BLOCKS_LEAST:
        return None
    blocks = int(np.clip(asked // ASKED_EACH, BLOCKS_LEAST, BLOCKS_MOST))
    edges = np.linspace(0.0, length_s, blocks + 1)
    departures, _ = np.histogram(done_s[served], edges)
    growth = asked / blocks - departures
    least = float(growth.sum()) - _margin(growth, blocks)
    return QueueTrend(
        growth_per_s=float(growth.sum()) / length_s,
        least_growth_per_s=least / length_s,
        in_flight_p=_rises(_in_flight(due_s, np.where(served, done_s, np.inf), edges)),
        latency_p=_rises(_latencies(due_s[served], done_s[served], length_s, blocks)),
    )


def _margin(growth: Array, blocks: int) -> float:
    """The distance from a total's estimate to its lower bound, by Student's t on the blocks."""
    from scipy import stats

    error = float(np.std(growth, ddof=1)) * math.sqrt(blocks)
    return max(float(stats.t.ppf(1 - SLOPE_ERROR, blocks - 1)) * error, LEAST_GROWTH)


def _in_flight(due_s: Array, done_s: Array, edges: Array) -> Array:
    """The time average of requests in flight in each block."""
    begin, end = edges[:-1, None], edges[1:, None]
    spans = np.minimum(done_s, end) - np.maximum(due_s, begin)
    in_flight: Array = np.clip(spans, 0, None).sum(axis=1) / (edges[1] - edges[0])
    return in_flight


def _latencies(due_s: Array, done_s: Array, length_s: float, blocks: int) -> Array:
    """Medians of the latencies of requests that ended in the window, in the order of their ends.

    They are ordered by their ends because requests that are answered after the last arrival find a
    server with less to do.
    """
    inside = (done_s >= 0) & (done_s < length_s)
    latency = (done_s - due_s)[inside][np.argsort(done_s[inside], kind="stable")]
    parts = np.array_split(latency, min(blocks, max(1, len(latency))))
    return np.array([np.median(part) for part in parts if len(part)])


def _rises(values: Array) -> float:
    """Mann-Kendall's one-sided p-value for a rise; 1 where there is too little to tell."""
    if len(values) < BLOCKS_LEAST - 1 or (values == values[0]).all():
        return 1.0
    from scipy import stats

    test = stats.kendalltau(np.arange(len(values)), values, alternative="greater")
    return float(test.pvalue)
