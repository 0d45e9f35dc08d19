"""Percentiles, their confidence intervals, and how many samples they need to mean something."""

from bisect import bisect_left, bisect_right
from functools import cache
from math import ceil, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmbench.results import Distribution

CONFIDENCE = 0.99
"""The confidence of the statement that a certified percentile is not higher than was seen."""

INTERVAL = 0.95
"""The confidence of a percentile's interval; half of the rest is on each side."""

PARTS = (50, 90, 95, 99)
PIECE = 1_000_000  # samples that are squared at once, for which 8 MB are enough


@cache
def samples_needed(percentile: float, over: int = 0) -> int:
    """The fewest samples that certify `percentile` (0..100) with `over` of them above a limit.

    The least n with I(p; n - over, over + 1) <= 0.01: with fewer, as few samples above the limit
    would be seen in more than 1 % of runs even if the percentile itself lay above it. Without
    any above, p**n <= 0.01. Source: MLPerf LoadGen, early stopping (binomial, 99 %).
    """
    share = percentile / 100
    least = over + ceil(log(1 - CONFIDENCE) / log(share))
    if over == 0:
        return least
    from scipy.special import betainc

    def certified(n: int) -> bool:
        return bool(betainc(n - over, over + 1, share) <= 1 - CONFIDENCE)

    most = 2 * least
    while not certified(most):
        most *= 2
    return least + bisect_left(range(least, most), True, key=certified)


def certifiable(percentile: float, n: int) -> bool:
    """Whether `n` samples are enough to state `percentile` (0..100) with 99 % confidence."""
    return n >= samples_needed(percentile)


@cache
def interval_of(percentile: float, n: int) -> tuple[int | None, int | None]:
    """Ranks (1 is the smallest of `n`) whose values enclose `percentile` with 95 % confidence.

    The number of samples below the true percentile is binomial, so rank l lies above it in
    P(B < l) of all runs and rank u below it in P(B >= u): each at most 2.5 %. None where no
    rank is that sure. Source: Hahn and Meeker, Statistical Intervals, 5.2.
    """
    from scipy.special import bdtr

    tail, ranks = (1 - INTERVAL) / 2, range(n)

    def below(rank: int) -> float:
        return float(bdtr(rank, n, percentile / 100))

    low = bisect_right(ranks, tail, key=below)
    high = bisect_left(ranks, 1 - tail, key=below) + 1
    return low or None, high if high <= n else None


def distribution(values: ArrayLike, *, independent: int | None = None) -> Distribution | None:
    """The `Distribution` of the values that are known (not NaN); None when there are none.

    Percentiles interpolate linearly between order statistics (numpy's ``linear``, type 7 of
    Hyndman and Fan 1996); `stdev` is the sample's (n - 1), 0 for one value. Where the values come
    from fewer `independent` sources (the gaps of so many requests), the intervals are as wide as
    if each source had given one value only.
    """
    data = np.asarray(values)
    if data.dtype != np.float32:
        data = data.astype(np.float64, copy=False)
    unknown = np.isnan(data)
    if unknown.any():
        data = data[~unknown]
    if data.size == 0:
        return None
    p50, p90, p95, p99 = (float(v) for v in np.percentile(data, PARTS))
    return Distribution(
        n=int(data.size),
        mean=float(data.mean(dtype=np.float64)),
        stdev=_stdev(data),
        min=float(data.min()),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=float(data.max()),
        **_ends(data, independent or data.size),
    )


def _ends(data: NDArray[Any], independent: int) -> dict[str, float | None]:
    """The ends of each percentile's interval, by the names of their fields."""
    places: dict[str, int] = {}
    for part in PARTS:
        low, high = interval_of(part, independent)
        if low is not None:
            places[f"p{part}_low"] = (low - 1) * data.size // independent
        if high is not None:
            places[f"p{part}_high"] = -(-high * data.size // independent) - 1
    ordered = np.partition(data, sorted({*places.values()})) if places else data
    return {name: float(ordered[place]) for name, place in places.items()}


def _stdev(data: NDArray[Any]) -> float:
    """The sample's standard deviation, in pieces: the gaps of a large run are many millions."""
    if data.size < 2:
        return 0.0
    mean = data.mean(dtype=np.float64)
    starts = range(0, data.size, PIECE)
    squares = (np.square(data[i : i + PIECE] - mean, dtype=np.float64).sum() for i in starts)
    return sqrt(sum(map(float, squares)) / (data.size - 1))
