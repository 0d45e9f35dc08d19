"""Turns measured runs into contrasts: log values in which larger is worse for every metric."""

from collections.abc import Mapping, Sequence
from math import log, log1p

from msgspec import Struct

from llmbench.verdict.gate.samples.baselines import CellSample
from llmbench.verdict.gate.tolerances import RATES


class Contrast(Struct, frozen=True):
    """One metric of one cell on both sides: a log value for each repeat, larger is worse."""

    cell: str
    metric: str
    old: tuple[float, ...]
    new: tuple[float, ...]
    tolerance: float  # log ratio


def contrasts(
    pairs: Mapping[str, tuple[CellSample, CellSample]],
    tolerances: Mapping[str, float],
    gating: bool,
) -> list[Contrast]:
    """The contrasts that both sides know, of the metrics that gate or of those that don't.

    A repeat that does not know a metric is left out of the contrasts of that metric.
    """
    compared = []
    for cell, (old, new) in pairs.items():
        advisory = {*old.advisory, *new.advisory}
        for metric in tolerances:
            if (metric in advisory) == gating:
                continue
            before, now = (logs(metric, side.metrics.get(metric, [])) for side in (old, new))
            if before and now:
                limit = tolerated(metric, tolerances[metric])
                compared.append(Contrast(cell, metric, tuple(before), tuple(now), limit))
    return compared


def tolerated(metric: str, tolerance: float) -> float:
    """A tolerance as a log ratio, where larger is worse; -3 % of a rate is more than +3 %."""
    return -log1p(-tolerance) if metric in RATES else log1p(tolerance)


def logs(metric: str, values: Sequence[float | None]) -> list[float]:
    """The logarithms of the values that are known; larger is worse."""
    positive = [v for v in values if v is not None and v > 0]
    return [-log(v) if metric in RATES else log(v) for v in positive]


def unknown_metrics(old: CellSample, new: CellSample) -> list[str]:
    """The metrics that gate in `old` and that no repeat of `new` knows."""
    gating = (name for name in old.metrics if name not in {*old.advisory, *new.advisory})
    return [n for n in gating if logs(n, old.metrics[n]) and not logs(n, new.metrics.get(n, []))]
