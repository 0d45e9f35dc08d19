"""The difference of a pair of blocks, and what the pairs of a session say together.

A pair is a block of each side, one right after the other. The logarithm of B's figure over A's
holds the change, the step that the host's drift makes between the two, and noise. The step has
one sign in the pairs that A opened and the other in those that B opened, so the mean of the two
groups' means is free of it. Each of these means is trimmed: a neighbour that comes between two
blocks spoils that pair, and no more.
"""

from collections.abc import Sequence
from math import floor

import numpy as np
from msgspec import Struct

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.overall import ALL_CELLS
from llmbench.verdict.gate.statistics import Array

TRIM = 0.2
"""The share of a group that is trimmed at each end, from 5 pairs on (Yuen, Biometrika 61, 1974)."""


class Pairs(Contrast, frozen=True, kw_only=True):
    """A `Contrast` whose `old` and `new` (A's and B's blocks) belong together by their places."""

    rounds: tuple[int, ...]
    a_opened: tuple[bool, ...]


class Shift(Struct, frozen=True):
    """The change of B against A as a log ratio, and its variance with the freedom of that.

    Without two pairs of each order the variance is not known, and the freedom is 0.
    """

    value: float
    variance: float
    freedom: int


def shift_of(pairs: Pairs) -> Shift:
    """The change that the pairs show, without what drifts linearly."""
    change = np.array(pairs.new) - np.array(pairs.old)
    opened = np.array(pairs.a_opened, dtype=bool)
    means = [trimmed(group) for group in (change[opened], change[~opened]) if group.size]
    value = float(np.mean([mean.value for mean in means]))
    if len(means) < 2 or any(mean.freedom < 1 for mean in means):
        return Shift(value, 0.0, 0)
    return Shift(value, sum(m.variance for m in means) / 4, sum(m.freedom for m in means))


def trimmed(values: Array) -> Shift:
    """The trimmed mean of `values`, with its variance by the Winsorised values."""
    cut = floor(TRIM * values.size)
    kept = np.sort(values)[cut : values.size - cut]
    if kept.size < 2:
        return Shift(float(kept.mean()), 0.0, 0)
    winsorised = np.clip(values, kept[0], kept[-1])
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    return Shift(float(kept.mean()), squares / (kept.size * (kept.size - 1)), kept.size - 1)


def over_all_cells(pairs: Sequence[Pairs]) -> list[Pairs]:
    """For each metric of several cells the mean over them, in the rounds that all of them have."""
    means = []
    for metric in dict.fromkeys(p.metric for p in pairs):
        of_metric = [p for p in pairs if p.metric == metric]
        if len(of_metric) > 1:
            means.append(_mean(of_metric))
    return means


def _mean(cells: Sequence[Pairs]) -> Pairs:
    rounds = sorted(set.intersection(*(set(cell.rounds) for cell in cells)))
    places = [[cell.rounds.index(number) for number in rounds] for cell in cells]

    def mean(sides: Sequence[Sequence[float]]) -> tuple[float, ...]:
        taken = [np.array(side)[at] for side, at in zip(sides, places, strict=True)]
        return tuple(np.mean(taken, axis=0).tolist())

    return Pairs(
        cell=ALL_CELLS,
        metric=cells[0].metric,
        old=mean([cell.old for cell in cells]),
        new=mean([cell.new for cell in cells]),
        tolerance=cells[0].tolerance,
        rounds=tuple(rounds),
        a_opened=tuple(cells[0].a_opened[at] for at in places[0]),
    )
