"""Finds where the figures of a history changed for good, by Apache Otava (the extra `history`)."""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import pandas as pd

MOST_P = 0.001
"""Otava's own limit, with which it accepts one change of unchanged runs in a thousand."""

LEAST_RUNS = 10
"""Fewer have too few on each side of a change to accept one at so small a p."""


class ChangePoint(Struct, frozen=True):
    """The first run of a level that differs from the one before it."""

    place: int  # of the run in the history
    cell: str
    metric: str
    before: float  # mean of the level before
    after: float
    p: float

    @property
    def change(self) -> float:
        """The change, relative to the level before."""
        return self.after / self.before - 1


def change_points(table: "pd.DataFrame") -> list[ChangePoint] | None:
    """The change points in `over_runs.data`, by run; None where Otava is not installed.

    Otava's E-divisive means, with Student's t to accept a point, see only changes that last:
    Fleming et al., "Hunter: Using Change Point Detection to Hunt for Performance Regressions"
    (2023).
    """
    try:
        from otava.analysis import compute_change_points
    except ImportError:
        return None
    found = []
    for (cell, metric), rows in table.sort_values("place").groupby(["cell", "metric"], sort=False):
        if len(rows) < LEAST_RUNS:
            continue
        points, _ = compute_change_points(rows["middle"].tolist(), max_pvalue=MOST_P)
        places = rows["place"].tolist()
        found += [
            _point(places[int(point.index)], str(cell), str(metric), point) for point in points
        ]
    return sorted(found, key=lambda point: (point.place, point.cell, point.metric))


def _point(place: int, cell: str, metric: str, point: Any) -> ChangePoint:
    stats = point.stats
    means = float(stats.mean_1), float(stats.mean_2)
    return ChangePoint(place, cell, metric, *means, float(stats.pvalue))
