"""Charts what the servers told of themselves, under the time to the first token of each cell."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.charts.timelines.over_time import mark_cells, names_in, short_names, spans
from llmbench.report.numbers import milliseconds, number, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "time"
BLUE, ORANGE, GREEN, PURPLE, RED = 0, 1, 2, 4, 3  # of the palette that all charts have
LEAST_WAITING = 0.05
"""A mean number of waiting requests below this is none."""

Panel = tuple[str, Callable[["Axes", "pd.DataFrame"], list[Any]]]
"""The label of an axis, and what draws the readings on it and returns the legend's handles."""


def told(gauges: "pd.DataFrame", model: str) -> "pd.DataFrame":
    """The readings of a model's servers with what the counters grew by since the one before.

    `cache_hit_share` and `step_tokens` are of the time since then, and not known where nothing was
    looked up or drafted in it.
    """
    rows = gauges[(gauges["target"] == model) & gauges["error"].isna()].sort_values("time_s")
    growth = rows.groupby(["cell", "repeat", "replica"], sort=False)[list(_COUNTERS)].diff()
    growth = growth.where(growth >= 0)
    queries, drafts = (growth[n].where(growth[n] > 0) for n in ("cache_queries", "drafts"))
    return rows.assign(
        cache_hit_share=growth["cache_hits"] / queries,
        step_tokens=(1 + growth["accepted_tokens"] / drafts).fillna(rows["accepted_length"]),
        preempted=growth["preemptions"],
    )


_COUNTERS = ("cache_queries", "cache_hits", "drafts", "accepted_tokens", "preemptions")


def chart(gauges: "pd.DataFrame", cells: "pd.DataFrame", model: str) -> Chart | None:
    """The gauges that the model's servers told, over time; None where they told none."""
    rows, of_model = told(gauges, model), cells[cells["model"] == model]
    panels = _panels(rows)
    if not panels:
        return None
    title, bands = f"{model}: {finding(of_model)}", spans(rows)
    with theme.style():
        figure, grid = layout.panels(1 + len(panels), 1, each_in=1.25, sharex=True)
        axes = [line[0] for line in grid]
        handles = _ttft(axes[0], of_model, bands)
        for axis, (label, draw) in zip(axes[1:], panels, strict=True):
            handles += draw(axis, rows)
            axis.set_ylabel(label)
            axis.set_ylim(bottom=0)
        axes[-1].set_xlabel("seconds since the run began")
        mark_cells(axes[0], axes, bands)
        note = _note(rows, bands)
        stamp = theme.stamp_of(of_model["stamp"])
        room = {"between_in": (0, 0.22), "above_in": names_in(bands)}
        layout.finish(figure, title, note, stamp, handles, **room)  # type: ignore[arg-type]
    return Chart(f"server-gauges-{model}", GROUP, title, f"{title}. {note}", figure)


def finding(cells: "pd.DataFrame") -> str:
    """A line on the cell in which most requests waited."""
    waiting = cells["server_waiting_mean"].dropna()
    if waiting.empty:
        return "what the server told of itself"
    if waiting.max() < LEAST_WAITING:
        return "no request waited for the server"
    at = int(cells["server_waiting_mean"].fillna(-1.0).to_numpy().argmax())
    worst, place = cells.iloc[at], short_names(cells["cell"].tolist())[at]
    beside = f" beside {number(worst['server_running_mean'], 2)} that ran"
    return (
        f"{number(worst['server_waiting_mean'], 2)} requests waited on average"
        f"{beside if worst['server_running_mean'] > 0 else ''} in {place}"
        f" (TTFT {milliseconds(worst['ttft_ms_p50'])})"
    )


def _note(rows: "pd.DataFrame", bands: list[tuple[str, float, float]]) -> str:
    servers = rows["replica"].nunique()
    each = f" from each of {servers} servers" if servers > 1 else ""
    return (
        f"{plural(len(rows), 'reading')} of the server's own metrics{each}, about one a second;"
        f" TTFT is each cell's median; {plural(len(bands), 'cell')}, warm-up included."
    )


def _panels(rows: "pd.DataFrame") -> list[Panel]:
    """The panels for which there is anything to draw."""
    panels: list[Panel] = []
    if rows[["running", "waiting"]].notna().any(axis=None):
        panels.append(("requests", _requests))
    if rows[["kv_usage", "cache_hit_share"]].notna().any(axis=None):
        panels.append(("share, %", _shares))
    if rows["step_tokens"].notna().any():
        panels.append(("tokens a step", _steps))
    if (rows["preempted"] > 0).any():
        panels.append(("preemptions", _preemptions))
    return panels


def _ttft(axis: "Axes", cells: "pd.DataFrame", bands: list[tuple[str, float, float]]) -> list[Any]:
    """A level for each cell for as long as it ran."""
    medians = cells.set_index("cell")["ttft_ms_p50"].dropna()
    for cell, start, end in bands:
        if cell in medians.index:
            axis.plot([start, end], [medians[cell]] * 2, color=theme.INK, lw=2.2)
    axis.set_ylabel("TTFT p50, ms")
    theme.log_if_wide(axis, medians)
    return []


def _requests(axis: "Axes", rows: "pd.DataFrame") -> list[Any]:
    return [
        *_lines(axis, rows, "running", "running", BLUE),
        *_lines(axis, rows, "waiting", "waiting", ORANGE, dashes=(3, 1.5)),
    ]


def _shares(axis: "Axes", rows: "pd.DataFrame") -> list[Any]:
    return [
        *_lines(axis, rows.assign(kv=100 * rows["kv_usage"]), "kv", "KV cache in use", GREEN),
        *_since(
            axis,
            rows.assign(hit=100 * rows["cache_hit_share"]),
            "hit",
            "prompts from the cache",
            PURPLE,
        ),
    ]


def _steps(axis: "Axes", rows: "pd.DataFrame") -> list[Any]:
    return _since(axis, rows, "step_tokens", "tokens a step", PURPLE)


def _preemptions(axis: "Axes", rows: "pd.DataFrame") -> list[Any]:
    return _since(axis, rows, "preempted", "preemptions", RED)


def _since(axis: "Axes", rows: "pd.DataFrame", name: str, label: str, place: int) -> list[Any]:
    """Lines of what holds since the reading before."""
    return _lines(axis, rows, name, label, place, drawstyle="steps-pre")


def _lines(
    axis: "Axes", rows: "pd.DataFrame", name: str, label: str, place: int, **look: Any
) -> list[Any]:
    """A line for each repeat of each cell and each server; a handle where there is any reading.

    A reading holds until midway to the next one, as it does for the means.
    """
    import seaborn as sns
    from matplotlib.lines import Line2D

    colour = sns.color_palette("colorblind")[place]
    known = rows[rows[name].notna()]
    style: dict[str, Any] = {"color": colour, "lw": 1.5, "drawstyle": "steps-mid"} | look
    for _, part in known.groupby(["cell", "repeat", "replica"], sort=False):
        axis.plot(part["time_s"], part[name], marker="o" if len(part) == 1 else None, ms=4, **style)
    return [Line2D([], [], label=label, **style)] if len(known) else []
