"""Compares a run with its baseline: each gated metric's change with its interval and limit."""

from typing import TYPE_CHECKING

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import plural
from llmbench.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

GROUP = "baseline"
MOST = 30
COLOURS = {"FAIL": theme.BAD, "PASS": theme.GOOD, "INCONCLUSIVE": theme.WARN}


def data(verdict: Verdict) -> "pd.DataFrame":
    """A row for each gating comparison: label, state, change, its interval and limit in per cent.

    The worst come first: failures, then inconclusive ones, then the nearest to their limit.
    """
    import pandas as pd

    rows = [
        (
            f"{c.cell}  {c.metric}",
            c.state,
            100 * c.change,
            100 * c.low,
            100 * c.high,
            100 * c.limit,
            min(c.repeats),
        )
        for c in verdict.comparisons
        if c.gating
    ]
    names = ["label", "state", "change", "low", "high", "limit", "repeats"]
    table = pd.DataFrame(rows, columns=names)
    rank = table["state"].map({"FAIL": 0, "INCONCLUSIVE": 1}).fillna(2)
    near = -(table["change"] / table["limit"])
    return table.assign(rank=rank, near=near).sort_values(["rank", "near"])[names]


def chart(verdict: Verdict) -> Chart | None:
    """A line for each metric of each cell, for the thirty worst; None without a comparison."""
    table = data(verdict).reset_index(drop=True)
    if table.empty:
        return None
    failed = int((table["state"] == "FAIL").sum())
    open_ones = int((table["state"] == "INCONCLUSIVE").sum())
    title = f"{verdict.state} against {verdict.baseline}: {plural(failed, 'regression')}"
    title += f", {open_ones} inconclusive, of {plural(len(table), 'comparison')}"
    shown = table.head(MOST)
    with theme.style():
        figure, axes = layout.panels(1, 1, each_in=0.5 + layout.bar_in() * len(shown))
        axis = axes[0][0]
        axis.axvline(0, color=theme.MUTED, lw=1)
        for y, (_, row) in enumerate(shown.iterrows()):
            colour = COLOURS.get(str(row["state"]), theme.MUTED)
            axis.plot([row["low"], row["high"]], [y, y], color=colour, lw=2.4)
            axis.plot(row["change"], y, "o", color=colour, ms=6)
            axis.plot([row["limit"]] * 2, [y - 0.35, y + 0.35], color=theme.INK, lw=1.4)
        left_in = layout.names(axis, [str(label) for label in shown["label"]])
        axis.set_ylim(len(shown) - 0.4, -0.6)
        axis.set_xlabel("change against the baseline, %")
        note = (
            "Point: change of the median; bar: its interval; tick: the limit. FAIL only where the"
            " whole bar is beyond it."
        )
        stamp = "SIMULATED" if verdict.simulated else ""
        layout.finish(figure, title, note, stamp, above_in=0.1, left_in=left_in)
    return Chart("baseline", GROUP, title, f"{title}. {note}", figure)
