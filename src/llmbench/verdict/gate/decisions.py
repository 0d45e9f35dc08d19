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
from numpy.typing import NDArray

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.launches import Uncertainty, several, uncertainty
from llmbench.verdict.gate.samples.disturbed import calm
from llmbench.verdict.gate.statistics import (
    HODGES_LEHMANN_EFFICIENCY,
    Array,
    differences,
    holm,
    interval_ranks,
    moderated,
    simes,
)

Status = Literal["PASS", "FAIL", "INCONCLUSIVE"]


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
    of_cells_launched: float = 0.4  # the first two where launches differ: the row over all cells
    of_overall_launched: float = 0.5  # then knows its noise from few of them, or from none
    allowance: float = 0.0  # log ratio: a shift of this is the host's in any contrast
    launch_allowance: float = 0.03  # standard deviation of a launch where a side has one only

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
    more_launches: int | None = None  # in place of repeats where both sides have several
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
    errors = uncertainty(
        contrasts,
        spread,
        freedom,
        allowance=policy.launch_allowance,
        least_cells=policy.drift_cells,
        floor=policy.noise_floor,
    )
    launched = np.array([several(c) for c in contrasts], dtype=bool)
    few = np.array(
        [min(len(c.old), len(c.new)) < policy.least_repeats for c in contrasts], dtype=bool
    )
    low, by_noise = few & ~launched.all(axis=1), few | launched.any(axis=1)
    ends[by_noise] = _by_noise(ends, errors, policy)[by_noise]
    shared = _shared(contrasts, ends[:, 0], errors, policy)
    p_values = stdtr(errors.tested_freedom, -(ends[:, 0] - shared) / errors.tested)
    rejected = _rejected(contrasts, p_values, policy)
    tolerance = np.array([c.tolerance for c in contrasts])
    known = ~low | (freedom >= policy.least_freedom)
    failed = known & rejected & (ends[:, 1] > tolerance)
    passed = known & ~failed & (ends[:, 2] < tolerance)
    smallest = _smallest(contrasts, shared, errors, ends[:, 3], policy)
    more = [
        {}
        if failed[i] or passed[i]
        else _more(contrast, spread[i], errors.error[i], ends[i], len(contrasts), policy)
        for i, contrast in enumerate(contrasts)
    ]
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
            **more[i],
            smallest=float(smallest[i]),
            disturbed=(
                len(given[i].old) - len(contrast.old),
                len(given[i].new) - len(contrast.new),
            ),
        )
        for i, contrast in enumerate(contrasts)
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
        alike = [[g for side in contrasts[i].groups for g in side.values()] for i in members]
        alike += [[tuple(values)] for values in background.get(metric, ())]
        squares = np.array([sum(map(_squares, groups)) for groups in alike])
        free = np.array([sum(len(g) - 1 for g in groups if g) for groups in alike], float)
        apart = np.divide(squares, free, out=np.zeros_like(squares), where=free > 0)
        drawn, gained = moderated(apart, free)
        variances[members], freedom[members] = drawn[: len(members)], gained[: len(members)]
    return np.sqrt(np.maximum(variances, policy.noise_floor**2)), freedom


def _squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean; 0 without values."""
    mean = sum(values) / len(values) if values else 0.0
    return sum((v - mean) ** 2 for v in values)


def _by_noise(ends: Array, errors: Uncertainty, policy: Policy) -> Array:
    """The intervals by Student's t: with several launches, and with too few repeats of one."""
    from scipy.special import stdtrit

    reach = stdtrit(errors.freedom, (1 + policy.confidence) / 2) * errors.error
    shift = ends[:, 0]
    return np.column_stack(
        [shift, shift - reach, shift + reach, np.full(len(ends), policy.confidence)]
    )


def _shared(
    contrasts: Sequence[Contrast], shift: Array, errors: Uncertainty, policy: Policy
) -> Array:
    """The part of each shift that is put down to the host, and to launches where there are several.

    It is what the metric's other cells share, up to what the policy gives the host and what chance
    explains of the launches.
    """
    from scipy.special import stdtrit

    level = policy.family_error / policy.looks
    most = np.log1p(policy.shared_drift)
    most += stdtrit(errors.common_freedom, 1 - level) * errors.common
    shared = np.full(len(contrasts), policy.allowance)
    of_launches = errors.common > 0  # which only cells of the same server share
    groups = [(c.metric, c.server if of_launches[i] else "") for i, c in enumerate(contrasts)]
    for group in {*groups}:
        members = np.array([i for i, other in enumerate(groups) if other == group])
        if len(members) >= policy.drift_cells:
            for place, i in enumerate(members):
                others = np.delete(shift[members], place)
                shared[i] = np.clip(np.median(others), 0, most[i])
    return shared


def _smallest(
    contrasts: Sequence[Contrast],
    shared: Array,
    errors: Uncertainty,
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
    beyond += (ndtri((1 + confidence) / 2) + each) * errors.error
    sure = shared + (stdtrit(errors.tested_freedom, 1 - level) + each) * errors.tested
    return np.asarray(np.maximum(beyond, sure))


def _rejected(contrasts: Sequence[Contrast], p_values: Array, policy: Policy) -> NDArray[np.bool_]:
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
    contrast: Contrast, spread: float, error: float, ends: Array, tests: int, policy: Policy
) -> dict[str, int]:
    """The further replicates on each side that would decide it at this shift and noise.

    They are launches where both sides have several, else repeats of the launches that there are.
    """
    from scipy.special import ndtri

    have, lone = min(len(contrast.old), len(contrast.new)), several(contrast).count(False)
    if lone == 0:
        have = min(map(len, contrast.groups))
        spread = error * np.sqrt(have * HODGES_LEHMANN_EFFICIENCY / 2)
    gap = abs(ends[0] - contrast.tolerance)
    if gap <= 0:
        return {}
    needed = 2 * (ndtri((1 + policy.confidence) / 2) * spread / gap) ** 2
    if ends[0] > contrast.tolerance:
        sure = ndtri(1 - policy.family_error / policy.looks / tests)
        left = (ends[0] / sure) ** 2 - lone * policy.launch_allowance**2
        if left <= 0:
            return {}
        needed = max(needed, 2 * spread**2 / left)
    more = max(ceil(needed / HODGES_LEHMANN_EFFICIENCY), policy.least_repeats, have + 1) - have
    if more > 100:
        return {}
    return {"more_repeats" if lone else "more_launches": more}
