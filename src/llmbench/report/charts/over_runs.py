"""A chart of each gated metric over runs, with the spread of each run's launches."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.lettering import is_narrow
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number, plural

if TYPE_CHECKING:
    import pandas as pd

    from llmbench.report.page.change_points import ChangePoint
    from llmbench.verdict import Sample

METRICS = {
    "ttft": "TTFT, ms",
    "time_per_token": "time per token, ms",
    "throughput": "output tokens/s",
    "latency": "latency, ms",
    "inputs_per_s": "inputs/s",
}
MOST_CELLS = 12


def data(samples: "Sequence[Sample]") -> "pd.DataFrame":
    """A row for each cell and metric of each run: place of the run, middle, low, high.

    `middle` is the median of the valid repeats; `low` and `high` are the ends of the medians of the
    launches, and the same as `middle` where there was but one.
    """
    import pandas as pd

    rows = []
    for place, sample in enumerate(samples):
        for cell, measured in sample.cells.items():
            for metric in METRICS:
                values = measured.metrics.get(metric, [])
                known = [value for value in values if value is not None]
                if known:
                    ends = _launches(values, measured.launches_of(metric))
                    rows.append((place, cell, metric, median(known), min(ends), max(ends)))
    return pd.DataFrame(rows, columns=["place", "cell", "metric", "middle", "low", "high"])


def _launches(values: Sequence[float | None], launches: Sequence[int]) -> list[float]:
    """The median of each launch's repeats."""
    by_launch: dict[int, list[float]] = {}
    for value, launch in zip(values, launches, strict=True):
        if value is not None:
            by_launch.setdefault(launch, []).append(value)
    return [median(some) for some in by_launch.values()]


def chart(
    samples: "Sequence[Sample]", states: Sequence[str], changes: "Sequence[ChangePoint]" = ()
) -> Chart | None:
    """A panel for each metric, a line for each cell; `states` are the verdicts of each run.

    A dashed line stands before the first run of each new level in `changes`.
    """
    table = data(samples)
    if table.empty or table["place"].nunique() < 2:
        return None
    cells = sorted(set(table["cell"]))
    shown = [cells[k] for k in theme.spread(len(cells), MOST_CELLS)]
    metrics = [metric for metric in METRICS if metric in set(table["metric"])]
    with theme.style():
        figure, axes = layout.panels(len(metrics), 1, each_in=1.9, sharex=True)
        for line, metric in zip(axes, metrics, strict=True):
            rows = table[table["metric"] == metric]
            for cell in shown:
                _line(line[0], rows[rows["cell"] == cell].sort_values("place"), cells.index(cell))
            line[0].set_ylabel(METRICS[metric])
            theme.log_if_wide(line[0], rows["middle"])
            for place, state in enumerate(states):
                if state == "FAIL":
                    line[0].axvline(place, color=theme.BAD, lw=6, alpha=0.15)
            for place in sorted({c.place for c in changes if c.metric == metric}):
                line[0].axvline(place - 0.5, color=theme.INK, lw=1.2, dashes=(4, 3))
        names = [f"{s.created[:10]}\n{(s.git_commit or s.name)[:8]}" for s in samples]
        places = theme.spread(len(samples), 3 if is_narrow() else 7)
        axes[-1][0].set_xticks(places, [names[place] for place in places])
        if is_narrow():
            axes[-1][0].get_xticklabels()[-1].set_horizontalalignment("right")
        title = finding(table, states)
        note = (
            f"{plural(len(samples), 'run')}, the oldest first. Point: median of repeats; bar: from"
            " the lowest to the highest median of a launch; red: FAIL against the run before."
            + (" Dashed: a change that lasts (Otava)." if changes else "")
            + theme.drawn(len(shown), len(cells))
        )
        stamp = "SIMULATED" if any(sample.simulated for sample in samples) else ""
        handles = _handles(shown, cells)
        layout.finish(figure, title, note, stamp, handles, between_in=(0, 0.25), above_in=0.1)
    return Chart("history", "history", title, f"{title}. {note}", figure)


def finding(table: "pd.DataFrame", states: Sequence[str]) -> str:
    """How many runs failed, and the metric that moved most from the first to the last run."""
    moved = []
    for (cell, metric), rows in table.sort_values("place").groupby(["cell", "metric"]):
        first, last = rows["middle"].iloc[0], rows["middle"].iloc[-1]
        if len(rows) > 1 and first > 0:
            moved.append((abs(last / first - 1), last / first - 1, str(metric), str(cell)))
    failed = f"{sum(state == 'FAIL' for state in states)} of {len(states)} runs FAIL"
    if not moved:
        return failed
    _, change, metric, cell = max(moved)
    label = METRICS[metric].partition(",")[0]
    return f"{failed}; {label} moved most, by {number(100 * change, 2)} % ({cell})"


def _line(axis: Any, rows: "pd.DataFrame", k: int) -> None:
    colour, marker = theme.look(k)
    axis.plot(rows["place"], rows["middle"], marker=marker, color=colour, ms=5, lw=1.6)
    axis.vlines(rows["place"], rows["low"], rows["high"], color=colour, lw=3, alpha=0.4)


def _handles(shown: Sequence[str], cells: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    looks = {cell: theme.look(cells.index(cell)) for cell in shown}
    return [Line2D([], [], color=c, marker=m, label=cell) for cell, (c, m) in looks.items()]
