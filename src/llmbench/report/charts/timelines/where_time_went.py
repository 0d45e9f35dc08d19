"""Charts where the time to the first token went: queue, prefill, and the unaccounted rest."""

from typing import TYPE_CHECKING

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.charts.timelines.over_time import short_names
from llmbench.report.numbers import milliseconds, percent, plural

if TYPE_CHECKING:
    import pandas as pd

GROUP = "time"
MOST_CELLS = 16
PARTS = {
    "server_queue_mean_ms": "queue, by the server",
    "server_prefill_mean_ms": "prefill, by the server",
    "ttft_unaccounted_mean_ms": "unaccounted",
}


def data(merged: "pd.DataFrame", config: str) -> "pd.DataFrame":
    """The parts (ms) of the mean TTFT of each cell whose server reports them.

    A part that the server doesn't report is 0 here, since it is in the unaccounted rest.
    """
    rows = merged[(merged["config"] == config) & merged["server_prefill_mean_ms"].notna()]
    table = rows[["cell", "stamp", *PARTS]].fillna({"server_queue_mean_ms": 0.0})
    # a clock that counts more than the client waited leaves less than nothing unaccounted for
    return table.assign(whole=table[list(PARTS)].sum(axis=1)).reset_index(drop=True)


def chart(merged: "pd.DataFrame", config: str) -> Chart | None:
    """A bar for each cell, made of its parts; None where no server reports any."""
    table = data(merged, config)
    if table.empty:
        return None
    title = f"{config}: {finding(table)}"
    shown = table.nlargest(MOST_CELLS, "whole").sort_index()
    with theme.style():
        figure, axes = layout.panels(1, 1, each_in=max(1.2, 0.5 + layout.bar_in() * len(shown)))
        axis = axes[0][0]
        colours = theme.palette(list(PARTS.values()))
        names = short_names(shown["cell"].tolist())
        left = shown["whole"] * 0
        for column, label in PARTS.items():
            if not shown[column].any():
                continue
            part = shown[column].clip(lower=0)
            axis.barh(
                range(len(shown)),
                part,
                left=left,
                color=colours[label],
                label=label,
                height=layout.BAR,
            )
            left = left + part
        axis.invert_yaxis()
        axis.set_xlabel("mean TTFT, ms")
        axis.grid(axis="y", visible=False)
        left_in = layout.names(axis, names)
        rest = f" The {len(shown)} longest of {len(table)}." if len(shown) < len(table) else ""
        note = (
            f"Means over the steady window of {plural(len(shown), 'cell')}.{rest} Unaccounted: on"
            " the way to the server's clock and back, and a queue that it doesn't tell."
        )
        handles = axis.get_legend_handles_labels()[0]
        layout.finish(figure, title, note, theme.stamp_of(table["stamp"]), handles, left_in=left_in)
    return Chart(f"where-time-went-{config}", GROUP, title, f"{title}. {note}", figure)


def finding(table: "pd.DataFrame") -> str:
    """A line on the largest part of the cell that waited longest."""
    worst = table.sort_values("whole").iloc[-1]
    parts = {column: float(worst[column]) for column in PARTS}
    whole = float(worst["whole"])
    column = max(parts, key=lambda name: parts[name])
    name = PARTS[column].partition(",")[0]
    return (
        f"{percent(parts[column] / whole)} of the longest TTFT, {milliseconds(whole)}, are {name}"
    )
