"""Charts of a session over time: response time, requests/s and users, and CPU and memory."""

from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.lettering import is_narrow
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number, plural, size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "time"


def load_chart(timeline: "pd.DataFrame", cells: "pd.DataFrame", model: str) -> Chart | None:
    """Requests/s, response time and requests in flight of one model, as Locust shows them."""
    of_model = cells[cells["model"] == model]
    rows = timeline[timeline["cell"].isin(of_model["cell"])].sort_values("time_s")
    if len(rows) < 3:
        return None
    title = f"{model}: {load_finding(rows, of_model)}"
    bands = spans(rows)
    with theme.style():
        figure, axes = layout.panels(3, 1, each_in=1.35, sharex=True)
        top, middle, low = (line[0] for line in axes)
        step = -(-len(rows) // MOST_ON_A_PHONE) if is_narrow() else 1
        for _, whole in rows.groupby(["cell", "repeat"], sort=False):
            part = whole.iloc[::step]
            _rates(top, part)
            _latency(middle, part)
            low.fill_between(
                part["time_s"], 0, part["in_flight"], color=theme.MUTED, alpha=0.35, lw=0
            )
        top.set_ylabel("requests/s")
        middle.set_ylabel("response time, ms")
        low.set_ylabel("in flight")
        low.set_xlabel("seconds since the run began")
        theme.log_if_wide(middle, rows[["p50_ms", "p95_ms"]].stack())
        top.set_ylim(bottom=0)
        low.set_ylim(bottom=0)
        mark_cells(axes[0][0], [line[0] for line in axes], bands)
        note = f"{plural(len(bands), 'cell')}, warm-up included; a request counts where it ended."
        stamp = theme.stamp_of(of_model["stamp"])
        layout.finish(
            figure,
            title,
            note,
            stamp,
            _load_handles(rows),
            between_in=(0, 0.22),
            above_in=names_in(bands),
        )
    return Chart(f"over-time-{model}", GROUP, title, f"{title}. {note}", figure)


def load_finding(rows: "pd.DataFrame", cells: "pd.DataFrame") -> str:
    """The most requests/s of any moment; where the server was overloaded, what it can do.

    What is in flight in front of an overloaded server says how long it was asked, not what it
    needs for its requests/s.
    """
    overloaded = cells[cells["outcome"] == "overloaded"]
    if len(overloaded):
        capacity = number(overloaded["requests_per_s"].max())
        asked = number(overloaded["rate_per_s"].min())
        return f"{capacity} requests/s when overloaded, which it is at {asked} requests/s asked"
    peak = rows.sort_values("requests_per_s").iloc[-1]
    return (
        f"at most {number(peak['requests_per_s'])} requests/s,"
        f" with {number(peak['in_flight'], 2)} in flight"
    )


def spans(rows: "pd.DataFrame") -> list[tuple[str, float, float]]:
    """Each cell's id, the start of its first repeat and the end of its last one, in order."""
    ends = rows.groupby("cell", sort=False)["time_s"].agg(["min", "max"])
    return [(str(cell), float(e["min"]), float(e["max"])) for cell, e in ends.iterrows()]


def _rates(axis: "Axes", part: "pd.DataFrame") -> None:
    blue, _, _, red = _colours()
    axis.plot(part["time_s"], part["requests_per_s"], color=blue, lw=1.6)
    if part["failures_per_s"].any():
        axis.plot(part["time_s"], part["failures_per_s"], color=red, lw=1.4, dashes=(4, 2))


def _latency(axis: "Axes", part: "pd.DataFrame") -> None:
    _, orange, purple, _ = _colours()
    axis.plot(part["time_s"], part["p50_ms"], color=orange, lw=1.6)
    axis.plot(part["time_s"], part["p95_ms"], color=purple, lw=1.2, dashes=(2, 1))


def _colours() -> tuple[Any, Any, Any, Any]:
    import seaborn as sns

    picked = sns.color_palette("colorblind")
    return picked[0], picked[1], picked[4], picked[3]


def _load_handles(rows: "pd.DataFrame") -> list[Any]:
    from matplotlib.lines import Line2D

    blue, orange, purple, red = _colours()
    handles = [
        Line2D([], [], color=blue, label="succeeded"),
        Line2D([], [], color=orange, label="response time p50"),
        Line2D([], [], color=purple, dashes=(2, 1), label="response time p95"),
    ]
    if rows["failures_per_s"].any():
        handles.insert(1, Line2D([], [], color=red, dashes=(4, 2), label="failed"))
    return handles


def mark_cells(top: "Axes", axes: "list[Axes]", bands: list[tuple[str, float, float]]) -> None:
    """Shade every other cell, and name them where they are few enough to be read."""
    many = len(bands) > (FLAT_NAMES if is_narrow() else MOST_NAMES)
    for _, start, end in () if many and is_narrow() else bands[::2]:
        for axis in axes:
            axis.axvspan(start, end, color=theme.INK, alpha=0.05, lw=0)
    if many:
        return
    least = 0.03 * (bands[-1][2] - bands[0][1])
    few = len(bands) <= FLAT_NAMES and not is_narrow()
    for (_, start, end), label in zip(bands, short_names([b[0] for b in bands]), strict=True):
        if end - start >= least or few:
            top.text(
                (start + end) / 2,
                1.02,
                label,
                transform=top.get_xaxis_transform(),
                ha="center" if few else "left",
                va="bottom",
                fontsize=8.5,
                color=theme.MUTED,
                rotation=0 if few else 30,
                rotation_mode="anchor",
            )


FLAT_NAMES, MOST_NAMES = 4, 16
MOST_ON_A_PHONE = 1000
"""The points of a line that a phone's page still opens quickly."""


def names_in(bands: list[tuple[str, float, float]]) -> float:
    """The room that the names of cells need above the axes, in inches."""
    if len(bands) > (FLAT_NAMES if is_narrow() else MOST_NAMES):
        return 0.12
    if len(bands) <= FLAT_NAMES and not is_narrow():
        return 0.3
    return 0.25 + 0.036 * max(len(name) for name in short_names([b[0] for b in bands]))


def short_names(cells: list[str]) -> list[str]:
    """Cell ids without the parts that all of them share."""
    parts = [cell.split("-") for cell in cells]
    shared = set.intersection(*(set(p) for p in parts)) if len(parts) > 1 else set()
    return ["-".join(w for w in p if w not in shared) or "-".join(p) for p in parts]


def resources_chart(resources: "pd.DataFrame", cells: "pd.DataFrame", target: str) -> Chart | None:
    """CPU and memory of one model's server, with the cells marked."""
    rows = resources[resources["target"] == target].sort_values("time_s")
    busy = rows[rows["cell"].notna()]
    if len(busy) < 2:
        return None
    top_cpu, top_memory = busy["cpu_percent"].max(), busy["memory_bytes"].max()
    title = (
        f"{target}: at most {number(top_cpu)} % CPU (100 % is one core)"
        f" and {size(top_memory)} of memory"
    )
    bands = spans(busy)
    with theme.style():
        figure, axes = layout.panels(2, 1, each_in=1.7, sharex=True)
        cpu, memory = axes[0][0], axes[1][0]
        blue, orange, _, red = _colours()
        cpu.plot(rows["time_s"], rows["cpu_percent"], color=blue, lw=1.4)
        memory.plot(rows["time_s"], rows["memory_bytes"] / 2**20, color=orange, lw=1.6)
        _limit(cpu, rows["cpu_limit_cores"] * 100, red)
        _limit(memory, rows["memory_limit_bytes"] / 2**20, red)
        cpu.set_ylabel("CPU, %")
        memory.set_ylabel("memory, MiB")
        memory.set_xlabel("seconds since the run began")
        cpu.set_ylim(bottom=0)
        memory.set_ylim(bottom=0)
        mark_cells(cpu, [cpu, memory], bands)
        note = (
            f"{plural(len(rows), 'sample')}, about one a second;"
            f" {plural(len(bands), 'cell')} marked; dashed: the limit, where there is one."
        )
        stamp = theme.stamp_of(cells[cells["model"] == target]["stamp"])
        layout.finish(figure, title, note, stamp, between_in=(0, 0.22), above_in=names_in(bands))
    return Chart(f"resources-{target}", GROUP, title, f"{title}. {note}", figure)


def _limit(axis: "Axes", limit: "pd.Series[float]", colour: Any) -> None:
    for value in sorted(limit.dropna().astype(float).unique()):
        axis.axhline(value, color=colour, lw=1.2, dashes=(4, 3))
