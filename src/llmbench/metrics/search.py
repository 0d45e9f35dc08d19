"""Searches for the highest rate that meets an SLO: which rate to try next, and when to stop.

MLPerf finds the server scenario's queries/s by such a search; LLM-Inference-Bench's successor
finds its users by doubling and bisection.
"""

from collections.abc import Generator
from math import sqrt


def highest_rate(
    start: float, *, precision: float = 0.05, factor: float = 2.0, most_trials: int = 20
) -> Generator[float, bool, float | None]:
    """Yield a rate to try, receive whether it met the SLO, and return the highest that did.

    The rate is multiplied by `factor` while the SLO is met (and divided while it isn't). Then the
    interval is halved geometrically until its ends are within `precision` of each other. The
    result is None when no rate met the SLO. A start that is not positive raises `ValueError`.
    """
    if start <= 0:
        raise ValueError(f"a search needs a rate above 0 to start from, not {start}")
    met: float | None = None
    missed: float | None = None
    for _ in range(most_trials):
        rate = next_rate(start, met, missed, factor)
        if (yield rate):
            met = rate
        else:
            missed = rate
        if met is not None and missed is not None and missed / met <= 1 + precision:
            break
    return met


def next_rate(start: float, met: float | None, missed: float | None, factor: float = 2.0) -> float:
    """The next rate to try, given the highest that met the SLO and the lowest that missed it."""
    if met is not None and missed is not None:
        return sqrt(met * missed)
    if met is not None:
        return met * factor
    return missed / factor if missed is not None else start
