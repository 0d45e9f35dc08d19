"""The rule for PASS, FAIL or INCONCLUSIVE of each cell and metric, without files or words.

docs/verdict.md gives the reasons; tests/perf/gate_error_rates.py measures how often the rule is
wrong.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal

import numpy as np
from msgspec import Struct, structs

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.disturbed import spreads, undisturbed
from llmbench.verdict.gate.statistics import (
    Array,
    differences,
    holm,
    interval_ranks,
    moderated,
    simes,
)

Status = Literal["PASS", "FAIL", "INCONCLUSIVE"]

HODGES_LEHMANN_EFFICIENCY = 3 / np.pi
"""On normal noise, the variance of a difference of means over that of the Hodges-Lehmann shift."""


class Policy(Struct, frozen=True):
    """How certain the gate has to be; a share of 0.02 is 2 %."""

    confidence: float = 0.8  # of the exact interval, whose ends are compared with the tolerance
    family_error: float = 0.0075  # chance of any FAIL in a session in which nothing changed
    shared_drift: float = 0.02  # the most that a shift common to the other cells is the host's
    drift_cells: int = 4  # a common shift is seen only in this many cells or more
    least_repeats: int = 3  # on each side, for the exact interval
    least_freedom: int = 4  # of the pooled noise, for the fallback with fewer repeats
    noise_floor: float = 0.001  # no repeat is less noisy than that
    looks: int = 1  # at the same data, as it grows; each gets its part of family_error
    of_cells: float = 0.8  # parts of family_error: each metric of each cell,
    of_overall: float = 0.1  # each metric over all cells,
    of_counts: float = 0.1  # and what went wrong
    allowance: float = 0.0  # log ratio: a shift of this is the host's in any contrast

    def part(self, share: float) -> "Policy":
        """The policy for tests that get a share of the session's error rate."""
        return structs.replace(self, family_error=share * self.family_error)


class Decision(Struct, frozen=True):
    """The decision on one contrast.

    `near` and `far` are the ends of the interval of `shift` (a log ratio; larger is worse): the
    end that is nearer to no change, and the worse one.
    """

    contrast: Contrast
    status: Status
    shift: float
    near: float
    far: float
    confidence: float
    p_value: float  # of no change beyond what all cells share
    low_power: bool = False
    more_repeats: int | None = None  # on each side, until it may be decided; None: over 100
    smallest: float = 0.0  # shift that would FAIL in 80 % of such sessions (log ratio)
    disturbed: tuple[int, int] = (0, 0)  # repeats of each side that were set aside


DEFAULT = Policy()

POWER = 0.8
"""The share of sessions in which the smallest change that a figure names would be caught."""

Background = Mapping[str, Sequence[Sequence[float]]]
"""For each metric, the repeats (log values) of some other cells."""


def decide(
    contrasts: Sequence[Contrast], policy: Policy = DEFAULT, background: Background | None = None
) -> list[Decision]:
    """The outcome of each contrast of one session, in their order.

    It is PASS if the interval's far end is within the tolerance. It is FAIL if its near end is
    beyond it and no-change is rejected for the cell (Simes 1986 over its metrics) by Holm over all
    cells. `background` holds repeats of cells that are not tested but show the noise.
    """
    from scipy.special import stdtr

    if not contrasts:
        return []
    given, contrasts = contrasts, calm(contrasts)
    ends = _intervals(contrasts, policy)
    spread, freedom = _noise(contrasts, policy, background or {})
    sizes = np.array([(len(c.old), len(c.new)) for c in contrasts], dtype=np.float64)
    error = spread * np.sqrt((1 / sizes).sum(axis=1) / HODGES_LEHMANN_EFFICIENCY)
    low = sizes.min(axis=1) < policy.least_repeats
    ends[low] = _by_noise(ends[low], error[low], freedom[low], policy)
    shared = _shared(contrasts, ends[:, 0], policy)
    p_values = stdtr(np.maximum(freedom, 1), -(ends[:, 0] - shared) / error)
    rejected = _rejected(contrasts, p_values, policy)
    tolerance = np.array([c.tolerance for c in contrasts])
    known = ~low | (freedom >= policy.least_freedom)
    failed = known & rejected & (ends[:, 1] > tolerance)
    passed = known & ~failed & (ends[:, 2] < tolerance)
    gap = np.abs(ends[:, 0] - tolerance)
    smallest = _smallest(contrasts, shared, error, freedom, ends[:, 3], policy)
    return [
        Decision(
            contrast=given[i],
            status="FAIL" if failed[i] else "PASS" if passed[i] else "INCONCLUSIVE",
            shift=float(ends[i, 0]),
            near=float(ends[i, 1]),
            far=float(ends[i, 2]),
            confidence=float(ends[i, 3]),
            p_value=float(p_values[i]),
            low_power=bool(low[i]),
            more_repeats=None
            if failed[i] or passed[i]
            else _more(contrast, spread[i], gap[i], ends[i], len(contrasts), policy),
            smallest=float(smallest[i]),
            disturbed=(
                len(given[i].old) - len(contrast.old),
                len(given[i].new) - len(contrast.new),
            ),
        )
        for i, contrast in enumerate(contrasts)
    ]


def calm(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts without the repeats that were disturbed."""
    return [
        structs.replace(c, old=undisturbed(c.old, spread), new=undisturbed(c.new, spread))
        for c, spread in zip(contrasts, spreads(contrasts), strict=True)
    ]


def _intervals(contrasts: Sequence[Contrast], policy: Policy) -> Array:
    """Shift, near end, far end and confidence of each contrast; those of one size go together."""
    by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, contrast in enumerate(contrasts):
        by_size[len(contrast.old), len(contrast.new)].append(index)
    intervals = np.empty((len(contrasts), 4))
    for (n, m), members in by_size.items():
        old = np.array([contrasts[i].old for i in members])
        new = np.array([contrasts[i].new for i in members])
        pairs = differences(old, new)
        drop, confidence = interval_ranks(n, m, policy.confidence)
        ends = (np.median(pairs, axis=-1), pairs[:, drop], pairs[:, n * m - 1 - drop])
        intervals[members] = np.column_stack([*ends, np.full(len(members), confidence)])
    return intervals


def _noise(
    contrasts: Sequence[Contrast], policy: Policy, background: Background
) -> tuple[Array, Array]:
    """A repeat's standard deviation and its degrees of freedom, moderated within each metric."""
    variances, freedom = np.empty(len(contrasts)), np.empty(len(contrasts))
    for metric in {c.metric for c in contrasts}:
        members = [i for i, c in enumerate(contrasts) if c.metric == metric]
        groups = [(contrasts[i].old, contrasts[i].new) for i in members]
        groups += [(values, ()) for values in map(tuple, background.get(metric, ()))]
        squares = np.array([_squares(old) + _squares(new) for old, new in groups])
        free = np.array([sum(len(side) - 1 for side in group if side) for group in groups], float)
        apart = np.divide(squares, free, out=np.zeros_like(squares), where=free > 0)
        drawn, gained = moderated(apart, free)
        variances[members], freedom[members] = drawn[: len(members)], gained[: len(members)]
    return np.sqrt(np.maximum(variances, policy.noise_floor**2)), freedom


def _squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean; 0 without values."""
    mean = sum(values) / len(values) if values else 0.0
    return sum((v - mean) ** 2 for v in values)


def _by_noise(ends: Array, error: Array, freedom: Array, policy: Policy) -> Array:
    """The fallback for too few repeats: an interval from the noise that the cells share."""
    from scipy.special import stdtrit

    reach = stdtrit(np.maximum(freedom, 1), (1 + policy.confidence) / 2) * error
    shift = ends[:, 0]
    return np.column_stack(
        [shift, shift - reach, shift + reach, np.full(len(ends), policy.confidence)]
    )


def _shared(contrasts: Sequence[Contrast], shift: Array, policy: Policy) -> Array:
    """The part of each shift that is put down to the host: what the metric's other cells share."""
    shared = np.full(len(contrasts), policy.allowance)
    for metric in {c.metric for c in contrasts}:
        members = np.array([i for i, c in enumerate(contrasts) if c.metric == metric])
        if len(members) >= policy.drift_cells:
            for place, i in enumerate(members):
                others = np.delete(shift[members], place)
                shared[i] = np.clip(np.median(others), 0, np.log1p(policy.shared_drift))
    return shared


def _smallest(
    contrasts: Sequence[Contrast],
    shared: Array,
    error: Array,
    freedom: Array,
    confidence: Array,
    policy: Policy,
) -> Array:
    """The shift of one metric of one cell that FAILs with 80 % power at the noise that was seen.

    It has to bring the interval's near end beyond the tolerance, and the p-value below the cell's
    level in Holm's first step, alone among the cell's metrics (Simes): each with 90 %.
    """
    from scipy.special import ndtri, stdtrit

    names = [c.cell for c in contrasts]
    tests = np.array([names.count(name) * len(set(names)) for name in names])
    level = policy.family_error / policy.looks / tests
    each = float(ndtri((1 + POWER) / 2))
    beyond = np.array([c.tolerance for c in contrasts])
    beyond += (ndtri((1 + confidence) / 2) + each) * error
    sure = shared + (stdtrit(np.maximum(freedom, 1), 1 - level) + each) * error
    return np.asarray(np.maximum(beyond, sure))


def _rejected(contrasts: Sequence[Contrast], p_values: Array, policy: Policy) -> Array:
    """Whether no-change is rejected, by Holm for the cell and by the metric's own p-value."""
    names = list(dict.fromkeys(c.cell for c in contrasts))
    members = [[i for i, c in enumerate(contrasts) if c.cell == name] for name in names]
    adjusted = holm(np.array([simes(p_values[rows]) for rows in members]))
    level = policy.family_error / policy.looks
    rejected = np.zeros(len(contrasts), dtype=bool)
    for rows, p_cell in zip(members, adjusted, strict=True):
        rejected[rows] = (p_cell <= level) & (p_values[rows] <= level)
    return rejected


def _more(
    contrast: Contrast, spread: float, gap: float, ends: Array, tests: int, policy: Policy
) -> int | None:
    """The number of further repeats on each side that would decide it at this shift and noise."""
    from scipy.special import ndtri

    have = min(len(contrast.old), len(contrast.new))
    if gap <= 0:
        return None
    needed = 2 * (ndtri((1 + policy.confidence) / 2) * spread / gap) ** 2
    if ends[0] > contrast.tolerance:
        sure = ndtri(1 - policy.family_error / policy.looks / tests)
        needed = max(needed, 2 * (sure * spread / ends[0]) ** 2)
    more = max(ceil(needed / HODGES_LEHMANN_EFFICIENCY), policy.least_repeats, have + 1) - have
    return more if more <= 100 else None
