"""TTFT, time per token, throughput and requests/s against users.

There is a panel for each in × out; traffic has charts of its own, with a panel for each.
"""

from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "users"
NAMES = {
    "ttft_ms": ("ttft", "TTFT", "ms"),
    "time_per_token_ms": ("time-per-token", "time per token", "ms"),
    "output_tokens_per_s": ("throughput", "output throughput", "tokens/s"),
    "input_tokens_per_s": ("input-throughput", "input throughput", "tokens/s"),
    "requests_per_s": ("requests", "throughput in requests", "requests/s"),
}
WITHOUT_TOKENS = {
    "latency_ms": ("latency", "latency", "ms"),
    "inputs_per_s": ("inputs", "throughput in inputs", "inputs/s"),
    "input_tokens_per_s": ("input-tokens", "input throughput", "tokens/s"),
}
"""The charts of cells whose answers hold a result for each input instead of tokens."""

SPREAD = ("ttft_ms", "time_per_token_ms", "latency_ms")


def data(cells: "pd.DataFrame", quantity: str) -> "pd.DataFrame":
    """A row for each repeat of each closed-loop cell: config, place, users, middle, high, ….

    `place` is the panel: the lengths, or the traffic. Where the quantity has a distribution,
    `middle` is its p50 and `high` its p95; of a rate, both are the rate itself.
    """
    rows = cells[cells["load"] == "users"]
    spread = quantity in SPREAD
    picked = {
        "config": rows["config"],
        "input": rows["requested_input_tokens"],
        "output": rows["requested_output_tokens"],
        "place": places(rows),
        "users": rows["users"],
        "repeat": rows["repeat"],
        "middle": rows[f"{quantity}_p50" if spread else quantity],
        "high": rows[f"{quantity}_p95" if spread else quantity],
        "n": rows[f"{quantity}_n"] if spread else rows["in_window"],
        "stamp": rows["stamp"],
        "valid": rows["valid"],
    }
    return type(cells)(picked).dropna(subset=["middle"]).reset_index(drop=True)


def _names(table: "pd.DataFrame") -> dict[str, tuple[str, str, str]]:
    """The file, the label and the unit of each quantity."""
    return WITHOUT_TOKENS if (table["output"] == 0).all() else NAMES


def chart(cells: "pd.DataFrame", quantity: str) -> Chart | None:
    """The chart of `quantity`; None where fewer than two numbers of users were measured."""
    table = data(cells, quantity)
    if table["users"].nunique() < 2 or not (table["middle"] > 0).any():
        return None
    name, label, unit = _names(table)[quantity]
    title = finding(table, quantity)
    of_traffic, grid = bool(table["input"].isna().any()), _grid(table)
    with theme.style():
        figure, axes = layout.panels(
            len(grid), len(grid[0]), small=True, sharex=True, sharey=_alike(table)
        )
        for line, across in zip(axes, grid, strict=True):
            for axis, place in zip(line, across, strict=True):
                _panel(axis, table, place)
        _scales(axes, grid, table)
        for axis in axes[-1]:
            axis.set_xlabel("users")
        for line in axes:
            line[0].set_ylabel(f"{label}, {unit}" if len(grid) < 3 and quantity in SPREAD else unit)
        note = _note(table, quantity)
        stamp = theme.stamp_of(table["stamp"])
        layout.finish(figure, title, note, stamp, _handles(table, quantity))
    name = f"{name}-traffic" if of_traffic else name
    return Chart(name, GROUP, title, f"{title}. {note}", figure)


def places(rows: "pd.DataFrame") -> "pd.Series[str]":
    """What the requests of each row are: ``in 128 · out 64``, or the name of their traffic."""
    lengths = rows[["requested_input_tokens", "requested_output_tokens"]].itertuples(index=False)
    named = rows["traffic"].where(rows["traffic"].notna(), [_lengths(*pair) for pair in lengths])
    return named.astype(str)


def _lengths(inputs: float, outputs: float) -> str:
    return f"in {inputs:g}" + (f" · out {outputs:g}" if outputs else "")


def _grid(table: "pd.DataFrame") -> list[list[str]]:
    """The places of the panels: inputs down and outputs across, or one row where one is alike."""
    inputs, outputs = sorted(table["input"].unique()), sorted(table["output"].unique())
    if table["input"].isna().any():
        return [sorted(table["place"].unique())]
    if len(outputs) == 1:
        return [[_lengths(i, outputs[0]) for i in inputs]]
    return [[_lengths(i, o) for o in outputs] for i in inputs]


def finding(table: "pd.DataFrame", quantity: str) -> str:
    """One line that says what the chart shows."""
    rows = table[table["valid"]] if table["valid"].any() else table
    keys = ["config", "place", "users"]
    middle: pd.DataFrame = rows.groupby(keys, sort=False)["middle"].median().reset_index()
    _, label, unit = _names(table)[quantity]
    many = middle["config"].nunique() > 1
    if quantity in SPREAD:
        return _rise(middle, label, unit, many)
    best = middle.sort_values("middle", kind="stable").iloc[-1]
    where = _where(best, many)
    users = plural(int(best["users"]), "user")
    head = label[0].upper() + label[1:]
    return f"{head} peaks at {number(best['middle'])} {unit} with {users} ({where})"


def _rise(middle: "pd.DataFrame", label: str, unit: str, many: bool) -> str:
    """How much a quantity grows from the fewest to the most users, where it grows most."""
    groups = [g.sort_values("users") for _, g in middle.groupby(["config", "place"])]
    groups = [g for g in groups if len(g) > 1] or groups
    worst = max(groups, key=lambda g: g["middle"].iloc[-1] / g["middle"].iloc[0])
    first, last = worst.iloc[0], worst.iloc[-1]
    ratio = last["middle"] / first["middle"]
    head = label[0].upper() + label[1:]
    where = _where(first, many)
    span = f"{number(first['middle'])} to {number(last['middle'])} {unit}"
    users = f"from {int(first['users'])} to {plural(int(last['users']), 'user')}"
    if 0.9 <= ratio <= 1.1:
        return f"{head} stays within 10 % {users} ({where}: {span})"
    verb = "rises" if ratio > 1 else "falls"
    return f"{head} {verb} {number(max(ratio, 1 / ratio), 2)}× {users} ({where}: {span})"


def _where(row: Any, many: bool) -> str:
    place = str(row["place"]).replace(" · ", ", ")
    return f"{row['config']}, {place}" if many else place


def _alike(table: "pd.DataFrame") -> bool:
    """Whether all panels fit one scale without hiding those with small values."""
    top = table.groupby("place")["middle"].max()
    return bool(top.max() < 8 * top.min())


def _scales(axes: Any, grid: list[list[str]], table: "pd.DataFrame") -> None:
    """Give all panels one scale where that hides nothing, else give each its own.

    A scale that is shared is set once: each setting goes through all panels that share it.
    """
    first = axes[0][0]
    theme.users_axis(first, list(table["users"]))
    if _alike(table):
        theme.log_if_wide(first, table[["middle", "high"]].stack())
        return
    for line, across in zip(axes, grid, strict=True):
        for axis, place in zip(line, across, strict=True):
            here = table["place"] == place
            rows = table[here] if here.any() else table
            theme.log_if_wide(axis, rows[["middle", "high"]].stack())


def _panel(axis: "Axes", table: "pd.DataFrame", place: str) -> None:
    """Draw one place: medians as a line, repeats as points, p50 to p95 shaded."""
    rows = table[table["place"] == place]
    axis.set_title(place, loc="left")
    if rows.empty:
        axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes, color="#5b6675")
    configs = theme.in_order(table["config"])
    colours, shapes = theme.palette(configs), theme.markers(configs)
    for config, points in rows.groupby("config", sort=True):
        _series(axis, points, colours[str(config)], shapes[str(config)])


def _series(axis: "Axes", points: "pd.DataFrame", colour: Any, marker: str) -> None:
    size = 6.5 if points["repeat"].nunique() == 1 else 4.5
    middle = points.groupby("users", as_index=False)[["middle", "high"]].median()
    axis.plot(middle["users"], middle["middle"], color=colour)
    if (middle["high"] > middle["middle"]).any():
        axis.fill_between(
            middle["users"], middle["middle"], middle["high"], color=colour, alpha=0.18, lw=0
        )
    for valid, some in points.groupby("valid"):
        face = colour if valid else theme.PAPER
        axis.plot(
            some["users"],
            some["middle"],
            marker,
            color=colour,
            markerfacecolor=face,
            markeredgewidth=1.4,
            markersize=size,
            clip_on=False,
        )


def _handles(table: "pd.DataFrame", quantity: str) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    configs = theme.in_order(table["config"])
    colours, shapes = theme.palette(configs), theme.markers(configs)
    handles: list[Any] = [
        Line2D([], [], color=colours[c], marker=shapes[c], label=c) for c in configs
    ]
    if quantity in SPREAD:
        handles.append(Patch(color=theme.MUTED, alpha=0.25, label="p50 to p95 of requests"))
    if not table["valid"].all():
        handles.append(
            Line2D([], [], ls="", marker="o", color=theme.MUTED, mfc=theme.PAPER, label="INVALID")
        )
    return handles if len(handles) > 1 or len(configs) > 1 else []


def _note(table: "pd.DataFrame", quantity: str) -> str:
    """What a point of the chart is, and of how many samples."""
    low, high = int(table["n"].min()), int(table["n"].max())
    n = f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"
    repeats = int(table.groupby(["config", "place", "users"]).size().max())
    point = "median" if quantity in SPREAD else "rate over the steady window"
    each = f"; each of up to {repeats} repeats is a point" if repeats > 1 else ""
    one = table["config"].nunique() == 1
    who = f"{table['config'].iloc[0]}. " if one else ""
    return f"{who}Closed loop; point: {point}, {n} requests a cell{each}."
