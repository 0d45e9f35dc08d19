"""TTFT and time per token of each class of a mix, side by side for each load."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number
from llmbench.results import CellResult, CellSummary, ClassSummary, Distribution

if TYPE_CHECKING:
    import pandas as pd

GROUP = "classes"
MOST_CELLS = 8
PANELS = {"ttft": "TTFT, ms", "token": "time per token, ms"}


def charts(results: Sequence[CellResult]) -> Iterator[Callable[[], Chart]]:
    """How to draw a chart for each mix."""
    of_mix: dict[str, list[CellResult]] = {}
    for result in results:
        if result.summary.classes:
            of_mix.setdefault(result.summary.cell.lengths_name, []).append(result)
    for name, some in of_mix.items():
        yield partial(chart, name, some)


def data(results: Sequence[CellResult]) -> "pd.DataFrame":
    """A row for each cell and class, medians over its valid repeats (over all if none is valid)."""
    import pandas as pd

    valid = {r.summary.cell_id for r in results if r.valid}
    used = [r.summary for r in results if r.valid or r.summary.cell_id not in valid]
    rows = pd.DataFrame([_row(summary, one) for summary in used for one in summary.classes])
    keys = ["cell", "class"]
    return rows.groupby(keys, sort=False).median(numeric_only=True).reset_index()


def _row(summary: CellSummary, one: ClassSummary) -> dict[str, Any]:
    ttft = one.scheduled_ttft_ms or one.ttft_ms
    return {
        "cell": summary.cell_id,
        "class": one.name,
        "n": one.in_window,
        "ttft": _at(ttft, "p50"),
        "ttft_high": _at(ttft, "p95"),
        "token": _at(one.time_per_token_ms, "p50"),
        "token_high": _at(one.time_per_token_ms, "p95"),
    }


def _at(values: Distribution | None, percentile: str) -> float:
    return float("nan") if values is None else float(getattr(values, percentile))


def chart(name: str, results: Sequence[CellResult]) -> Chart:
    """A mark at the median of each class and load, with a line up to its p95."""
    import seaborn as sns
    from matplotlib.lines import Line2D

    table = data(results)
    names = list(dict.fromkeys(table["class"]))
    title = f"{name}: {finding(table)}"
    cells = list(table.groupby("cell", sort=False))[:MOST_CELLS]
    handles: list[Any] = []
    with theme.style():
        figure, axes = layout.panels(1, 2)
        for k, (cell, rows) in enumerate(cells):
            colour, marker = sns.color_palette("colorblind")[k], theme.MARKERS[k]
            shift = 0.5 * ((k + 0.5) / len(cells) - 0.5)  # so that loads don't hide one another
            places = [names.index(one) + shift for one in rows["class"]]
            for axis, quantity in zip(axes[0], PANELS, strict=True):
                axis.vlines(places, rows[quantity], rows[f"{quantity}_high"], color=colour, lw=2)
                axis.plot(places, rows[quantity], marker=marker, color=colour, ls="none")
            handles.append(Line2D([], [], color=colour, marker=marker, label=str(cell)))
        for axis, heading in zip(axes[0], PANELS.values(), strict=True):
            axis.set_title(heading, loc="left")
            axis.set_xticks(range(len(names)), names)
            axis.set_xlim(-0.5, len(names) - 0.5)
            axis.set_ylim(bottom=0)
        note = (
            f"Marks: p50, lines up to p95; n = {int(table['n'].min())} to {int(table['n'].max())}"
            " requests a class."
        )
        stamp = theme.stamp_of([result.stamp for result in results])
        layout.finish(figure, title, note, stamp, handles, above_in=0.3)
    return Chart(f"classes-{name}", GROUP, title, f"{title}. {note}", figure)


def finding(table: "pd.DataFrame") -> str:
    """How far the classes lie apart in TTFT, in the cell where they do so most."""
    apart = []
    for cell, rows in table.groupby("cell", sort=False):
        known = rows[rows["ttft"] > 0].sort_values("ttft")
        if len(known) > 1:
            apart.append((known.iloc[-1]["ttft"] / known.iloc[0]["ttft"], str(cell), known))
    if not apart:
        return "TTFT of its classes"
    _, cell, known = max(apart, key=lambda found: found[0])
    low, high = known.iloc[0], known.iloc[-1]
    return (
        f"TTFT is {number(low['ttft'])} ms for {low['class']} and {number(high['ttft'])} ms for"
        f" {high['class']} ({cell.rpartition('-')[2]})"
    )
