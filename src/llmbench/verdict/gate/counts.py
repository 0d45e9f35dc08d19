"""The gate on counts of what went wrong: failed and dropped requests, and outputs cut short.

Requests are pooled over the repeats of a cell, and over all cells of the session. Fisher's exact
test compares two shares; its error rate is a part of the session's.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llmbench.verdict.gate.decisions import DEFAULT, POWER, Policy, Status
from llmbench.verdict.gate.overall import ALL_CELLS
from llmbench.verdict.gate.samples.baselines import CellSample
from llmbench.verdict.gate.tolerances import COUNTS


class Share(Struct, frozen=True):
    """The number of bad requests, and of how many."""

    bad: int
    of: int

    @property
    def value(self) -> float:
        return self.bad / self.of


class CountDecision(Struct, frozen=True):
    """The decision on one kind of fault in one cell; `change` and its ends are in shares."""

    cell: str
    metric: str
    old: Share
    new: Share
    tolerance: float
    status: Status
    change: float
    low: float
    high: float
    p_value: float
    smallest: float | None  # change that would be caught in 80 % of sessions; None: none would


def decide_counts(
    pairs: Mapping[str, tuple[CellSample, CellSample]],
    tolerances: Mapping[str, float],
    policy: Policy = DEFAULT,
) -> list[CountDecision]:
    """The outcome of each kind of fault in each cell, and over all cells.

    It is FAIL if there is more of it than the tolerance allows and no-change is rejected. A test
    that could not reject whatever had happened (as nothing went wrong on either side) takes
    nothing from the others (Tarone 1990).
    """
    shares = _shares(pairs)
    if not shares:
        return []
    level = policy.part(policy.of_counts).family_error
    least = np.array([_least(old, new) for old, new in shares.values()])
    tests = next(k for k in range(1, least.size + 1) if (least <= level / k).sum() <= k)
    return [
        _decision(cell, metric, both, tolerances[metric], level / tests, policy.confidence)
        for (cell, metric), both in shares.items()
    ]


def _shares(
    pairs: Mapping[str, tuple[CellSample, CellSample]],
) -> dict[tuple[str, str], tuple[Share, Share]]:
    """The shares by cell and kind that both sides counted, the sum over all cells last."""
    shares: dict[tuple[str, str], tuple[Share, Share]] = {}
    for cell, sides in pairs.items():
        for metric in COUNTS:
            counts = [side.counts.get(metric, [0, 0]) for side in sides]
            if all(of for _, of in counts):
                shares[cell, metric] = (Share(*counts[0]), Share(*counts[1]))
    if len(pairs) > 1:
        for metric in COUNTS:
            both = [shares[cell, metric] for cell in pairs if (cell, metric) in shares]
            if both:
                old, new = zip(*both, strict=True)
                shares[ALL_CELLS, metric] = (_sum(old), _sum(new))
    return shares


def _sum(shares: Sequence[Share]) -> Share:
    return Share(sum(s.bad for s in shares), sum(s.of for s in shares))


def _decision(
    cell: str,
    metric: str,
    both: tuple[Share, Share],
    tolerance: float,
    level: float,
    confidence: float,
) -> CountDecision:
    old, new = both
    change, p_value = new.value - old.value, fisher(old, new)
    low, high = newcombe(old, new, confidence)
    beyond = change > tolerance
    return CountDecision(
        cell=cell,
        metric=metric,
        old=old,
        new=new,
        tolerance=tolerance,
        status="FAIL" if beyond and p_value <= level else "INCONCLUSIVE" if beyond else "PASS",
        change=change,
        low=low,
        high=high,
        p_value=p_value,
        smallest=_smallest(old, new.of, tolerance, level),
    )


def fisher(old: Share, new: Share) -> float:
    """The one-sided p-value of `new` not being worse than `old`, given how many were bad in all.

    Source: Fisher (1934); the tail of the hypergeometric distribution.
    """
    return _tail(new.bad, old.bad + new.bad, old.of, new.of)


def _least(old: Share, new: Share) -> float:
    """The p-value that there would be if all that went wrong had gone wrong in `new`."""
    bad = old.bad + new.bad
    return _tail(min(bad, new.of), bad, old.of, new.of)


def _tail(at_least: int, bad: int, old_of: int, new_of: int) -> float:
    """P(X >= at_least), where X of the `bad` requests are among `new_of` of `old_of + new_of`."""
    from scipy.special import gammaln

    def log_choose(n: int, k: NDArray[np.int64] | int) -> Any:
        return gammaln(n + 1) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n + 1, k))

    counts = np.arange(max(at_least, bad - old_of), min(bad, new_of) + 1)
    logs = log_choose(new_of, counts) + log_choose(old_of, bad - counts)
    return float(min(1.0, np.exp(logs - log_choose(old_of + new_of, bad)).sum()))


def newcombe(old: Share, new: Share, confidence: float) -> tuple[float, float]:
    """The interval of the difference of two shares, from Wilson's. Source: Newcombe (1998)."""
    (a, b), (c, d) = (wilson(side, confidence) for side in (old, new))
    change = new.value - old.value
    down = sqrt((new.value - c) ** 2 + (b - old.value) ** 2)
    up = sqrt((d - new.value) ** 2 + (old.value - a) ** 2)
    return change - down, change + up


def wilson(share: Share, confidence: float) -> tuple[float, float]:
    """The interval of one share. Source: Wilson (1927)."""
    from scipy.special import ndtri

    z, n, p = float(ndtri((1 + confidence) / 2)), share.of, share.value
    centre, reach = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - reach) / (1 + z * z / n), (centre + reach) / (1 + z * z / n)


def _smallest(old: Share, new_of: int, tolerance: float, level: float) -> float | None:
    """The change that FAILs with 80 % power, given the old share; None if even all would not."""
    from scipy.special import betaincinv

    counts = range(int((old.value + tolerance) * new_of) + 1, new_of + 1)
    place = bisect_left(counts, True, key=lambda bad: fisher(old, Share(bad, new_of)) <= level)
    if place == len(counts):
        return None
    return float(betaincinv(counts[place], new_of - counts[place] + 1, POWER)) - old.value
