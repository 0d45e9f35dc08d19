"""Measured runs to contrasts: log values in which larger is worse, whatever the metric."""

from collections.abc import Mapping, Sequence
from math import log, log1p

from llmbench.verdict.gate.baselines import CellSample
from llmbench.verdict.gate.decisions import Contrast
from llmbench.verdict.gate.tolerances import RATES


def contrasts(
    pairs: Mapping[str, tuple[CellSample, CellSample]],
    tolerances: Mapping[str, float],
    gating: bool,
) -> list[Contrast]:
    """What both sides know in every repeat, of the metrics that gate or of those that don't."""
    found = []
    for cell, (old, new) in pairs.items():
        advisory = {*old.advisory, *new.advisory}
        for metric in tolerances:
            if (metric in advisory) == gating:
                continue
            before, now = (logs(metric, side.metrics.get(metric, [])) for side in (old, new))
            if before and now:
                limit = _worst(metric, tolerances[metric])
                found.append(Contrast(cell, metric, tuple(before), tuple(now), limit))
    return found


def _worst(metric: str, tolerance: float) -> float:
    """A tolerance as a log ratio in the direction of worse: -3 % of a rate is more than +3 %."""
    return -log1p(-tolerance) if metric in RATES else log1p(tolerance)


def logs(metric: str, values: Sequence[float | None]) -> list[float]:
    """Logarithms, larger is worse; none at all where a repeat doesn't know the metric."""
    known = [v for v in values if v is not None and v > 0]
    if len(known) < len(values):
        return []
    return [-log(v) if metric in RATES else log(v) for v in known]
