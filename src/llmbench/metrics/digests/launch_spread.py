"""Splits the spread of a cell's repeats into that between launches and that within them."""

from collections.abc import Sequence
from math import log, sqrt
from statistics import fmean

from msgspec import Struct


class LaunchSpread(Struct, frozen=True):
    """Relative standard deviations of a figure: of launches, and of the repeats of one launch.

    `within` is None where each launch has one repeat; `between` then holds the noise of repeats.
    """

    launches: int
    between: float
    within: float | None


def launch_spread(values: Sequence[tuple[int, float]]) -> LaunchSpread | None:
    """The spread of positive `values`, each with its launch; None with fewer than two launches.

    The variance components of a one-way random effects model on logarithms, by the method of
    moments; a negative one is 0. Source: Searle, Casella and McCulloch (1992), Variance
    Components, 3.6.
    """
    groups: dict[int, list[float]] = {}
    for launch, value in values:
        groups.setdefault(launch, []).append(log(value))
    count, launches = len(values), len(groups)
    if launches < 2:
        return None
    centre = fmean(value for group in groups.values() for value in group)
    of_means = sum(len(group) * (fmean(group) - centre) ** 2 for group in groups.values())
    of_repeats = sum((v - fmean(group)) ** 2 for group in groups.values() for v in group)
    mean_square = of_means / (launches - 1)
    if count == launches:
        return LaunchSpread(launches, sqrt(mean_square), None)
    noise = of_repeats / (count - launches)
    usual_size = (count - sum(len(g) ** 2 for g in groups.values()) / count) / (launches - 1)
    between = max(0.0, mean_square - noise) / usual_size
    return LaunchSpread(launches, sqrt(between), sqrt(noise))
