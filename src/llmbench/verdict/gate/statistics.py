"""The statistics of the gate: shifts of log values, their exact intervals, noise, many tests.

The replicate is the repeat of a cell, never the request: requests of one repeat share batches,
queue and host. All arrays hold logarithms of positive metrics, so a shift is a ratio.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HODGES_LEHMANN_EFFICIENCY = 3 / np.pi
"""On normal noise, the variance of a difference of means over that of the Hodges-Lehmann shift."""


def differences(old: Array, new: Array) -> Array:
    """All pairwise differences new - old, sorted along the last axis."""
    pairs = new[..., :, None] - old[..., None, :]
    return np.sort(pairs.reshape(*pairs.shape[:-2], -1), axis=-1)


def hodges_lehmann(old: Array, new: Array) -> Array:
    """The shift of `new` against `old`, which is the median of all pairwise differences.

    96 % as efficient as the difference of means on normal noise, and up to 29 % of the values
    may be wild. Source: Hodges and Lehmann (1963).
    """
    return np.asarray(np.median(differences(old, new), axis=-1))


def exact_interval(old: Array, new: Array, confidence: float = 0.9) -> tuple[Array, Array, float]:
    """The distribution-free interval of the shift, and the confidence that it really has.

    Its ends are order statistics of the pairwise differences, chosen by inverting the exact
    Mann-Whitney test (Lehmann 1963; Hollander and Wolfe, Nonparametric Statistical Methods,
    4.3). Where few repeats can't reach `confidence`, the whole range is the interval and the
    number returned is lower.
    """
    drop, reached = interval_ranks(old.shape[-1], new.shape[-1], confidence)
    pairs = differences(old, new)
    return pairs[..., drop], pairs[..., pairs.shape[-1] - 1 - drop], reached


@cache
def interval_ranks(n: int, m: int, confidence: float) -> tuple[int, float]:
    """How many sorted differences the interval leaves out at each end, and its confidence."""
    counts = u_counts(n, m)
    tails = np.cumsum(counts) / counts.sum()  # P(U <= u)
    allowed = np.flatnonzero(tails <= (1 - confidence) / 2 + 1e-12)
    if allowed.size == 0:
        return 0, float(1 - 2 * tails[0])
    drop = int(allowed[-1])
    return drop, float(1 - 2 * tails[drop])


@cache
def u_counts(n: int, m: int) -> Array:
    """How many orders of n and m values give each U, from 0 to n m (Mann and Whitney 1947)."""
    if n == 0 or m == 0:
        return np.ones(1)
    counts = np.zeros(n * m + 1)
    counts[m:] += u_counts(n - 1, m)
    counts[: n * (m - 1) + 1] += u_counts(n, m - 1)
    return counts


def moderated(variances: Array, freedom: Array) -> tuple[Array, Array]:
    """Each variance drawn towards what all have in common, with the freedom that it gains.

    Few repeats know their own noise badly; together the cells know it well. How strongly to draw
    follows from how unequal the variances are: equal ones are pooled whole, unequal ones keep
    their own. Source: Smyth (2004), Statistical Applications in Genetics and Molecular Biology
    3(1), "moderated t" (limma).
    """
    known = (freedom > 0) & (variances > 0)
    if known.sum() < 2:
        return variances, freedom
    prior, prior_freedom = _prior(variances[known], freedom[known])
    if np.isinf(prior_freedom):
        total = float(freedom.sum())
        return np.full_like(variances, prior), np.full_like(freedom, total)
    drawn = (prior_freedom * prior + freedom * variances) / (prior_freedom + freedom)
    return drawn, np.minimum(freedom + prior_freedom, float(freedom.sum()))


def _prior(variances: Array, freedom: Array) -> tuple[float, float]:
    """The scale and the degrees of freedom of the F distribution that the variances follow."""
    from scipy.special import digamma, polygamma

    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    centre = float(logs.mean())
    spread = float(
        ((logs - centre) ** 2).sum() / (logs.size - 1) - polygamma(1, freedom / 2).mean()
    )
    if spread <= 0:
        pooled = float((variances * freedom).sum() / freedom.sum())
        return pooled, float("inf")
    half = trigamma_inverse(spread)
    return float(np.exp(centre + digamma(half) - np.log(half))), 2 * half


def trigamma_inverse(value: float) -> float:
    """The x with trigamma(x) = value, by Newton's method (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x


def holm(p_values: Array) -> Array:
    """Adjusted p-values of one family of tests; compare each with the family's error rate.

    Source: Holm (1979), Scandinavian Journal of Statistics 6.
    """
    count = p_values.size
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(count, 0, -1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def simes(p_values: Array) -> float:
    """One p-value for a group of tests, stricter than the least and kinder than Bonferroni's.

    Valid for tests that rise and fall together, as the metrics of a cell do.
    Source: Simes (1986), Biometrika 73.
    """
    ordered = np.sort(p_values)
    return float(np.min(ordered * ordered.size / np.arange(1, ordered.size + 1)))
