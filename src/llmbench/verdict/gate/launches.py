"""The launch is the replicate above the repeat: how far a shift can be that of two launches.

A server that is started anew has other caches, memory layout, clocks and neighbours, which all
repeats of the launch share. With two or more launches on a side their means are the replicates.
A side of one launch can't show how far launches lie apart; an allowance stands in for that.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from msgspec import Struct

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.statistics import (
    HODGES_LEHMANN_EFFICIENCY,
    Array,
    moderated,
)


class Part(Struct):
    """A part of a variance, one for each contrast, and the degrees of freedom it is known with."""

    variance: Array
    freedom: Array


class Uncertainty(Struct, frozen=True):
    """The standard error and the degrees of freedom of each contrast's shift.

    `error` is that of the launches that were measured. `tested` is that of the part that is held
    against no-change: besides what the cells share, where that is set aside, and with the
    allowance for the launches that a side of one does not show. `common` is the standard error
    of what the cells of a server share in its launches (0: it is not set aside).
    """

    error: Array
    freedom: Array
    tested: Array
    tested_freedom: Array
    common: Array
    common_freedom: Array


def count_launches(contrast: Contrast) -> tuple[int, int]:
    """How many launches each side has."""
    return len({*contrast.old_launches}) or 1, len({*contrast.new_launches}) or 1


def several(contrast: Contrast) -> tuple[bool, bool]:
    """Whether each side has more than one launch."""
    old, new = count_launches(contrast)
    return old > 1, new > 1


def uncertainty(
    contrasts: Sequence[Contrast],
    spread: Array,
    freedom: Array,
    *,
    allowance: float,
    least_cells: int,
    floor: float,
) -> Uncertainty:
    """How uncertain each shift is, from the noise of a repeat within its launch and from launches.

    `spread` is the standard deviation of a repeat; `allowance` that of a launch where a side has
    one only. Of `least_cells` or more cells of one server what they share is set aside. No
    standard deviation is taken to be below `floor`.
    """
    repeats, launches, lone = np.array([_weights(c) for c in contrasts]).T
    common, own, cells = _of_launches(contrasts, floor)
    common.variance *= launches / HODGES_LEHMANN_EFFICIENCY
    own.variance *= launches / HODGES_LEHMANN_EFFICIENCY
    within = Part(spread**2 * repeats / HODGES_LEHMANN_EFFICIENCY, freedom)
    beside = Part(own.variance * (1 - 1 / cells), own.freedom)  # the mean of the cells has the rest
    unseen = Part(lone * allowance**2, np.full(len(contrasts), np.inf))
    apart = cells >= least_cells
    error, error_freedom = satterthwaite([within, beside, common])
    shared = np.where(apart, 0.0, common.variance)
    own.variance = np.where(apart, own.variance, beside.variance)
    tested, tested_freedom = satterthwaite([within, own, Part(shared, common.freedom), unseen])
    return Uncertainty(
        error=error,
        freedom=error_freedom,
        tested=tested,
        tested_freedom=tested_freedom,
        common=np.sqrt(np.where(apart, common.variance, 0.0)),
        common_freedom=common.freedom,
    )


def _weights(contrast: Contrast) -> tuple[float, float, float]:
    """By how much the variances of a repeat and of a launch's mean count in that of the shift,
    and how many sides have one launch; a launch's mean holds the noise of its repeats."""
    repeats = launches = lone = 0.0
    for groups in contrast.groups:
        sizes = [len(group) for group in groups.values()]
        if len(sizes) > 1:
            launches += sum((size / sum(sizes)) ** 2 for size in sizes)
        else:
            repeats += 1 / sum(sizes)
            lone += 1
    return repeats, launches, lone


def _of_launches(contrasts: Sequence[Contrast], floor: float) -> tuple[Part, Part, Array]:
    """The variance of a launch's mean that the cells of a server share, the rest of it, and how
    many cells that is known from; 0 where both sides have one launch."""
    count = len(contrasts)
    common, own = (Part(np.zeros(count), np.ones(count)) for _ in range(2))
    cells = np.ones(count)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, contrast in enumerate(contrasts):
        if any(several(contrast)):
            groups[contrast.server, contrast.metric].append(index)
    for members in groups.values():
        tables = [_deviations(contrasts[i]) for i in members]
        free = np.array([_freedom(contrasts[i]) for i in members], dtype=np.float64)
        means = {key: fmean(t[key] for t in tables if key in t) for t in tables for key in t}
        # cells that share no launch have more means than that, so their variance is overstated
        shared = sum(mean**2 for mean in means.values()) / free.max()
        squares = np.array([sum((t[k] - means[k]) ** 2 for k in t) for t in tables])
        left = free * (1 - 1 / len(members))
        apart = np.divide(squares, left, out=np.zeros_like(squares), where=left > 0)
        variance, freedom = moderated(apart, left)
        common.variance[members] = max(shared, floor**2)
        common.freedom[members] = free.max()
        own.variance[members] = np.maximum(variance, floor**2)
        own.freedom[members] = np.maximum(freedom, 1)
        cells[members] = len(members)
    return common, own, cells


def _deviations(contrast: Contrast) -> dict[tuple[int, int], float]:
    """The mean of each launch against that of its side's launches, by side and launch."""
    deviations: dict[tuple[int, int], float] = {}
    for side, groups in enumerate(contrast.groups):
        means = {launch: fmean(group) for launch, group in groups.items()}
        centre = sum(means.values()) / len(means)
        if len(means) > 1:
            deviations |= {(side, launch): mean - centre for launch, mean in means.items()}
    return deviations


def _freedom(contrast: Contrast) -> int:
    """The degrees of freedom of the means of a contrast's launches."""
    return sum(len(groups) - 1 for groups in contrast.groups)


def satterthwaite(parts: Sequence[Part]) -> tuple[Array, Array]:
    """The square root of the sum of independent variances, and its degrees of freedom.

    Source: Satterthwaite (1946), Biometrics Bulletin 2.
    """
    total = np.sum([part.variance for part in parts], axis=0)
    known = [part.variance**2 / np.maximum(part.freedom, 1) for part in parts]
    return np.sqrt(total), np.asarray(total**2 / np.sum(known, axis=0))
