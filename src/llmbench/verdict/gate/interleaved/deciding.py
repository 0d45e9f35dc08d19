"""The rule for PASS, FAIL or INCONCLUSIVE of A against B, at any look at a growing session.

docs/verdict.md gives the reasons; tests/perf/ab_error_rates.py and
tests/perf/interleaved_error_rates.py measure how often the rule is wrong.
"""

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from llmbench.verdict.gate.decisions import DEFAULT, POWER, Decision, Policy
from llmbench.verdict.gate.interleaved.looks import p_of_looks, reach_of_looks
from llmbench.verdict.gate.interleaved.paired import Pairs, over_all_cells, shift_of
from llmbench.verdict.gate.statistics import Array, holm, moderated, simes

LEAST_FREEDOM, LEAST_PAIRS = 2, 4
"""Fewer degrees of freedom of the noise decide nothing; a cell alone has these from 4 pairs on."""

MOST_MORE = 100
"""More pairs than these are not advised."""


def decide_pairs(
    pairs: Sequence[Pairs], share: float | None = None, policy: Policy = DEFAULT
) -> list[Decision]:
    """The outcome of each cell's metrics, then that of each metric over all cells.

    `share` is the part of the session's longest load that has been applied; with None this is the
    only look. It is PASS if the far end of the (repeated) confidence interval is within the
    tolerance, and FAIL if its near end is beyond it and no-change is rejected for the session as
    a whole: by Simes' rule over the metrics of a cell, by Holm's over the cells. Nothing is put
    down to the host, which both sides have shared.
    """
    return [
        *_decided(pairs, share, policy.part(policy.of_cells)),
        *_decided(over_all_cells(pairs), share, policy.part(policy.of_overall)),
    ]


def _decided(pairs: Sequence[Pairs], share: float | None, policy: Policy) -> list[Decision]:
    if not pairs:
        return []
    shift, error, freedom = _estimates(pairs, policy)
    p_values = p_of_looks(shift / error, freedom, share)
    reach = reach_of_looks((1 - policy.confidence) / 2, freedom, share) * error
    tolerance = np.array([of.tolerance for of in pairs])
    known = freedom >= LEAST_FREEDOM
    near, far = _ends(pairs, shift, reach, known)
    failed = known & _rejected(pairs, p_values, policy) & (near > tolerance)
    passed = known & ~failed & (far < tolerance)
    gap = np.abs(shift - tolerance) / reach
    smallest = _smallest(pairs, error * sqrt(share or 1), freedom, share, policy)
    return [
        Decision(
            contrast=of,
            status="FAIL" if failed[i] else "PASS" if passed[i] else "INCONCLUSIVE",
            shift=float(shift[i]),
            near=float(near[i]),
            far=float(far[i]),
            confidence=policy.confidence,
            p_value=float(p_values[i]),
            low_power=not known[i],
            more_repeats=None if failed[i] or passed[i] else _more(of, gap[i]),
            smallest=float(smallest[i]),
        )
        for i, of in enumerate(pairs)
    ]


def _estimates(pairs: Sequence[Pairs], policy: Policy) -> tuple[Array, Array, Array]:
    """The shift of each, its standard error and the freedom of that, moderated for each metric.

    What is drawn together is the noise of a single pair, as cells may have different numbers.
    """
    shifts = [shift_of(of) for of in pairs]
    counts = np.array([len(of.rounds) for of in pairs], dtype=np.float64)
    noise = np.array([shift.variance for shift in shifts]) * counts
    freedom = np.array([shift.freedom for shift in shifts], dtype=np.float64)
    for metric in {of.metric for of in pairs}:
        members = [i for i, of in enumerate(pairs) if of.metric == metric]
        noise[members], freedom[members] = moderated(noise[members], freedom[members])
    error = np.sqrt(np.maximum(noise, 2 * policy.noise_floor**2) / counts)
    return np.array([shift.value for shift in shifts]), error, freedom


def _ends(
    pairs: Sequence[Pairs], shift: Array, reach: Array, known: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """The ends of the intervals; where the noise is not known, the least and the greatest pair."""
    changes = [np.array(of.new) - np.array(of.old) for of in pairs]
    least, greatest = (np.array([end(change) for change in changes]) for end in (np.min, np.max))
    return np.where(known, shift - reach, least), np.where(known, shift + reach, greatest)


def _rejected(pairs: Sequence[Pairs], p_values: Array, policy: Policy) -> NDArray[np.bool_]:
    """Whether no-change is rejected, for the cell and by the metric's own p-value."""
    cells = np.array([of.cell for of in pairs])
    names = list(dict.fromkeys(cells))
    adjusted = holm(np.array([simes(p_values[cells == name]) for name in names]))
    of_cell = np.array([adjusted[names.index(name)] for name in cells])
    return np.asarray((of_cell <= policy.family_error) & (p_values <= policy.family_error))


def _more(pairs: Pairs, gap: float) -> int | None:
    """Further pairs that would bring an end of the interval to the tolerance, at `gap` reaches."""
    have = len(pairs.rounds)
    more = max(1, LEAST_PAIRS - have, ceil(have / max(gap, 0.01) ** 2) - have)
    return more if more <= MOST_MORE else None


def _smallest(
    pairs: Sequence[Pairs], error: Array, freedom: Array, share: float | None, policy: Policy
) -> Array:
    """The shift of one metric of one cell that FAILs with 80 % power in a session of full length.

    `error` is the standard error of that length. The interval's near end has to be beyond the
    tolerance, and the p-value below the cell's level: each with 90 %.
    """
    from scipy.special import ndtri

    cells = [of.cell for of in pairs]
    tests = np.array([cells.count(name) * len(set(cells)) for name in cells])
    at_end = None if share is None else 1.0
    interval = reach_of_looks((1 - policy.confidence) / 2, freedom, at_end)
    certain = reach_of_looks(policy.family_error / tests, freedom, at_end)
    each = float(ndtri((1 + POWER) / 2))
    beyond = np.array([of.tolerance for of in pairs]) + (interval + each) * error
    return np.asarray(np.maximum(beyond, (certain + each) * error))
