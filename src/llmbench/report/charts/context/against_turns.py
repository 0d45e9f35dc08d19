"""TTFT and the cached share of the prompt against the turn of a conversation."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number
from llmbench.results import CellResult, CellSummary

if TYPE_CHECKING:
    import pandas as pd

GROUP = "turns"
MOST_LINES = 8


def charts(results: Sequence[CellResult]) -> Iterator[Callable[[], Chart]]:
    """How to draw a chart for each traffic of conversations that had more than one turn."""
    of_traffic: dict[str, list[CellResult]] = {}
    for result in results:
        if len(result.summary.turns) > 1:
            of_traffic.setdefault(result.summary.cell.lengths_name, []).append(result)
    for name, some in of_traffic.items():
        yield partial(chart, name, some)


def data(results: Sequence[CellResult]) -> "pd.DataFrame":
    """A row for each cell and turn, medians over its valid repeats (over all if none is valid)."""
    import pandas as pd

    valid = {r.summary.cell_id for r in results if r.valid}
    used = [r.summary for r in results if r.valid or r.summary.cell_id not in valid]
    rows = pd.DataFrame([_row(s, k) for s in used for k in range(len(s.turns))])
    keys = ["cell", "cache", "load", "turn"]
    return rows.groupby(keys, sort=False, dropna=False).median(numeric_only=True).reset_index()


def _row(summary: CellSummary, k: int) -> dict[str, Any]:
    turn = summary.turns[k]
    return {
        "cell": summary.cell_id,
        "cache": summary.cell.prefix_cache,
        "load": summary.cell.model + summary.cell.load_name,
        "turn": turn.turn,
        "n": turn.requests,
        "ttft_ms": _float(turn.ttft_ms_p50),
        "high_ms": _float(turn.ttft_ms_p95),
        "possible": _float(turn.possible_share),
        "cached": _float(turn.cached_share),
    }


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def chart(name: str, results: Sequence[CellResult]) -> Chart:
    """TTFT by turn, and beside it the share of the prompt that was, and could have been, cached."""
    import seaborn as sns
    from matplotlib.lines import Line2D

    table = data(results)
    title = f"{name}: {finding(table)}"
    handles: list[Any] = []
    with theme.style():
        figure, axes = layout.panels(1, 2)
        left, right = axes[0]
        for k, (cell, rows) in enumerate(list(table.groupby("cell", sort=False))[:MOST_LINES]):
            colour, marker = sns.color_palette("colorblind")[k], theme.MARKERS[k]
            left.plot(rows["turn"], rows["ttft_ms"], marker=marker, color=colour)
            left.fill_between(
                rows["turn"], rows["ttft_ms"], rows["high_ms"], color=colour, alpha=0.18, lw=0
            )
            right.plot(rows["turn"], 100 * rows["cached"], marker=marker, color=colour)
            right.plot(rows["turn"], 100 * rows["possible"], color=colour, ls="--")
            handles.append(Line2D([], [], color=colour, marker=marker, label=str(cell)))
        left.set_title("TTFT, ms", loc="left")
        right.set_title("cached share of the prompt, %", loc="left")
        right.set_ylim(0, 100)
        left.set_ylim(bottom=0)
        for axis in (left, right):
            axis.set_xlabel("turn")
            axis.set_xticks(sorted(table["turn"].unique()))
        note = (
            f"TTFT: p50, shaded to p95; n = {int(table['n'].min())} to {int(table['n'].max())}"
            " requests a turn. Cached: as the server tells; dashed: what could have been."
        )
        stamp = theme.stamp_of([result.stamp for result in results])
        layout.finish(figure, title, note, stamp, handles, above_in=0.3)
    return Chart(f"turns-{name}", GROUP, title, f"{title}. {note}", figure)


def finding(table: "pd.DataFrame") -> str:
    """How TTFT changes from the first turn to the last, in the cell where it changes most."""
    if (compared := _cached(table)) is not None:
        return compared
    ends = [(rows.iloc[0], rows.iloc[-1]) for _, rows in table.groupby("cell", sort=False)]
    known = [(a, b) for a, b in ends if a["ttft_ms"] > 0 and b["ttft_ms"] > 0]
    if not known:
        return "TTFT is not known"
    first, last = max(known, key=lambda pair: pair[1]["ttft_ms"] / pair[0]["ttft_ms"])
    load = str(first["cell"]).rpartition("-")[2]  # the legend has the whole name
    return (
        f"TTFT goes from {number(first['ttft_ms'])} ms in turn {int(first['turn'])} to"
        f" {number(last['ttft_ms'])} ms in turn {int(last['turn'])} ({load})"
    )


def _cached(table: "pd.DataFrame") -> str | None:
    """What the prefix cache brings in the last turn, where cells were measured without it too."""
    both = table.pivot_table(index=["load", "turn"], columns="cache", values="ttft_ms")
    if not {"off", "on"} <= set(both.columns):
        return None
    rows = both.dropna().reset_index()
    if rows.empty:
        return None
    best = rows[rows["turn"] == rows["turn"].max()]
    first = best.loc[(best["off"] / best["on"]).idxmax()]
    return (
        f"in turn {int(first['turn'])} TTFT is {number(first['on'])} ms with the prefix cache and"
        f" {number(first['off'])} ms without"
    )
