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
    old_launches: tuple[int, ...] = ()  # the launch of each repeat; empty: all are of one
    new_launches: tuple[int, ...] = ()
    server: str = ""  # the cells that share it are measured in the same launches

    @property
    def groups(self) -> tuple[dict[int, tuple[float, ...]], dict[int, tuple[float, ...]]]:
        """The repeats of each side by launch."""
        return by_launch(self.old, self.old_launches), by_launch(self.new, self.new_launches)


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
            before, now = (_known(side, metric) for side in (old, new))
            if before and now:
                (values, launches), (values_now, launches_now) = (
                    zip(*side, strict=True) for side in (before, now)
                )
                limit = tolerated(metric, tolerances[metric])
                sides = values, values_now, limit, launches, launches_now
                compared.append(Contrast(cell, metric, *sides, server=new.server))
    return compared


def by_launch(values: Sequence[float], launches: Sequence[int]) -> dict[int, tuple[float, ...]]:
    """The values of each launch, in the order of the launches; without `launches` there is one."""
    groups: dict[int, list[float]] = {}
    for value, launch in zip(values, launches or [0] * len(values), strict=True):
        groups.setdefault(launch, []).append(value)
    return {launch: tuple(group) for launch, group in groups.items()}


def tolerated(metric: str, tolerance: float) -> float:
    """A tolerance as a log ratio, where larger is worse; -3 % of a rate is more than +3 %."""
    return -log1p(-tolerance) if metric in RATES else log1p(tolerance)


def _known(side: CellSample, metric: str) -> list[tuple[float, int]]:
    """The logarithms of the values that are known, each with its launch; larger is worse."""
    pairs = zip(side.metrics.get(metric, []), side.launches_of(metric), strict=True)
    return [(log, launch) for value, launch in pairs for log in logs(metric, [value])]


def repeats_by_launch(side: CellSample, metric: str) -> list[tuple[float, ...]]:
    """The logarithms of a metric's values, a group for each launch."""
    known = _known(side, metric)
    return [*by_launch([log for log, _ in known], [launch for _, launch in known]).values()]


def logs(metric: str, values: Sequence[float | None]) -> list[float]:
    """The logarithms of the values that are known; larger is worse."""
    positive = [v for v in values if v is not None and v > 0]
    return [-log(v) if metric in RATES else log(v) for v in positive]


def unknown_metrics(old: CellSample, new: CellSample) -> list[str]:
    """The metrics that gate in `old` and that no repeat of `new` knows."""
    gating = (name for name in old.metrics if name not in {*old.advisory, *new.advisory})
    return [n for n in gating if logs(n, old.metrics[n]) and not logs(n, new.metrics.get(n, []))]
