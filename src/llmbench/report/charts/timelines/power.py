"""The power of a server's processors, memory and GPUs over time."""

from typing import TYPE_CHECKING

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.charts.timelines.over_time import mark_cells, names_in, spans
from llmbench.report.numbers import number, plural

if TYPE_CHECKING:
    import pandas as pd

GROUP = "time"


def data(resources: "pd.DataFrame", target: str) -> "pd.DataFrame":
    """A row for each sample: time_s, cell, and columns of watts, of those that are counted.

    Of processors and memory it is the mean power since the sample before, by their counters.
    """
    rows = resources[resources["target"] == target].sort_values("time_s")
    table = rows[["time_s", "cell"]].copy()
    counted = {"processors": "package_j", "memory": "dram_j"}
    for name, column in counted.items():
        watts = rows[column].astype(float).diff() / rows["time_s"].diff()
        table[name] = watts.where(watts >= 0)  # a new launch counts from 0
    gpus = rows.filter(regex=r"^gpu\d+_power_w$").astype(float)
    table["GPUs"] = gpus.sum(axis=1, min_count=1)
    return table.dropna(axis=1, how="all")


def chart(resources: "pd.DataFrame", cells: "pd.DataFrame", target: str) -> Chart | None:
    """A line for each part whose power is known; None where none is."""
    table = data(resources, target)
    parts = [name for name in table.columns if name not in ("time_s", "cell")]
    busy = table[table["cell"].notna()] if "cell" in table else table.iloc[:0]
    if not parts or len(busy) < 2:
        return None
    from matplotlib.lines import Line2D

    most = busy[parts].sum(axis=1).max()
    title = f"{target}: at most {number(most)} W of {' and '.join(parts)}"
    bands = spans(busy)
    with theme.style():
        figure, axes = layout.panels(1, 1, each_in=2.2)
        axis, colours = axes[0][0], theme.palette(parts)
        for name in parts:
            axis.plot(table["time_s"], table[name], color=colours[name], lw=1.4)
        axis.set(xlabel="seconds since the run began", ylabel="power, W")
        axis.set_ylim(bottom=0)
        idle = resources[resources["target"] == target]["idle_power_w"].astype(float).dropna()
        for watts in sorted(set(idle)):
            axis.axhline(watts, color=theme.MUTED, lw=1.2, dashes=(4, 3))
        mark_cells(axis, [axis], bands)
        note = f"{plural(len(table), 'sample')}, about one a second"
        note += "; dashed: processors and memory before the launch." if len(idle) else "."
        handles = [Line2D([], [], color=colours[name], label=name) for name in parts]
        stamp = theme.stamp_of(cells[cells["model"] == target]["stamp"])
        layout.finish(figure, title, note, stamp, handles, above_in=names_in(bands))
    return Chart(f"power-{target}", GROUP, title, f"{title}. {note}", figure)
