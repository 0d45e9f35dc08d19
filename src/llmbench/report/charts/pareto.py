"""The chart of what users get against what a machine gives: tokens/s for each, with the front."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import money, number, plural
from llmbench.report.read import RunData
from llmbench.report.run_curves import Curve, config_of, cost_of, has_slo

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "capacity"
MOST_LENGTHS = 3
MOST_NUMBERED = 5
"""Of more configurations than these only the points of the Pareto front are numbered."""


def data(run: RunData, curves: Sequence[Curve]) -> "pd.DataFrame":
    """A row for each closed-loop point whose cores or GPUs are told.

    Its columns: config, input, output, users, served, unit (GPU or core), each_user (output
    tokens/s, 1000 over the median time per token), each_unit (output tokens/s of the server over
    its units), usd (of a million tokens, in and out alike; NaN where it is not known).
    """
    import pandas as pd

    from llmbench.metrics import capacity_units

    rows = []
    for curve in curves:
        config = config_of(run, curve.model)
        units = None if config is None else capacity_units(config, curve.cell.limits)
        if units is None or curve.ramp or curve.cell.shape.is_open_loop:
            continue
        for point in curve.points:
            gap, rate = point.summary.time_per_token_ms, point.summary.output_tokens_per_s
            if gap is None or rate is None or gap.p50 <= 0:
                continue
            cost = cost_of(config, curve, point)
            rows.append(
                {
                    "config": curve.config,
                    "input": curve.cell.input_tokens,
                    "output": curve.cell.output_tokens,
                    "users": point.load,
                    "served": point.load in curve.sound if has_slo(config) else True,
                    "unit": units[1],
                    "each_user": 1000 / gap.p50,
                    "each_unit": rate / units[0],
                    "usd": None if cost is None else cost.per_million_tokens_usd,
                }
            )
    names = ["config", "input", "output", "users", "served", "unit", "each_user", "each_unit"]
    return pd.DataFrame(rows, columns=[*names, "usd"]).astype({"usd": float})


def front(table: "pd.DataFrame", column: str, *, least: bool = False) -> "pd.DataFrame":
    """The served points that no other beats in both `each_user` and `column`, by `each_user`.

    With `least`, less of `column` is better.
    """
    rows = table[table["served"] & table[column].notna()]
    ordered = rows.sort_values(["each_user", column], ascending=[False, least], kind="stable")
    best = float("inf") if least else float("-inf")
    kept = []
    for place, value in ordered[column].items():
        if (value < best) if least else (value > best):
            kept.append(place)
            best = value
    return table.loc[kept]


def chart(run: RunData, curves: Sequence[Curve], stamp: str) -> Chart | None:
    """Tokens/s for each user against tokens/s for each GPU or core, and against cost.

    A column of panels for each length, and at most three of these. None where no configuration has
    two loads, or where neither cores nor GPUs are told.
    """
    table = data(run, curves)
    if table.empty or table["users"].nunique() < 2 or table["unit"].nunique() > 1:
        return None
    unit = table["unit"].iloc[0]
    shown = _lengths(table)
    quantities = {"each_unit": f"output tokens/s for each {unit}"}
    if table["usd"].notna().any():
        quantities["usd"] = "US dollars for 1M tokens"
    title = finding(table, str(unit))
    with theme.style():
        each = 3.0 if len(quantities) == 1 else 2.5
        figure, axes = layout.panels(len(quantities), len(shown), each_in=each)
        for line, (column, label) in zip(axes, quantities.items(), strict=True):
            for axis, ((wanted, output), rows) in zip(line, shown.items(), strict=True):
                _panel(axis, rows, column, _look(table), all_numbered=_all_numbered(table))
                axis.set_xlabel(label)
                if line is axes[0]:
                    axis.set_title(f"in {wanted} · out {output}", loc="left")
            line[0].set_ylabel("output tokens/s for each user")
        numbered = "; points" if _all_numbered(table) else ", whose points"
        note = (
            "Up and right (of dollars: left) is better; grey: the Pareto front"
            f"{numbered} are numbered by users; hollow: misses the SLO."
            + theme.drawn(sum(len(rows) for rows in shown.values()), len(table))
        )
        between = (0.62, 0.75)
        handles = _handles(table)
        layout.finish(figure, title, note, stamp, handles, between_in=between, above_in=0.3)
    return Chart("pareto", GROUP, title, f"{title}. {note}", figure)


def finding(table: "pd.DataFrame", unit: str) -> str:
    """The most tokens/s for each unit of any served point, and what its users get."""
    served = table[table["served"]]
    if served.empty:
        return "no point meets the SLO"
    best = served.sort_values("each_unit", kind="stable").iloc[-1]
    price = "" if best["usd"] != best["usd"] else f", at {money(best['usd'])} for 1M tokens"
    many = f"{best['config']}, " if table["config"].nunique() > 1 else ""
    place = f"{many}in {best['input']}, out {best['output']}, {plural(int(best['users']), 'user')}"
    return (
        f"{number(best['each_unit'])} output tokens/s for each {unit} while each user gets"
        f" {number(best['each_user'])} tokens/s{price} ({place})"
    )


def _lengths(table: "pd.DataFrame") -> dict[tuple[int, int], "pd.DataFrame"]:
    """The points of at most three lengths, spread from the shortest to the longest."""
    groups: list[Any] = list(table.groupby(["input", "output"], sort=True))
    groups = [group for group in groups if group[1]["users"].nunique() > 1]
    return dict(groups[k] for k in theme.spread(len(groups), MOST_LENGTHS))


def _all_numbered(table: "pd.DataFrame") -> bool:
    return bool(table["config"].nunique() <= MOST_NUMBERED)


def _look(table: "pd.DataFrame") -> dict[str, tuple[Any, str]]:
    configs = theme.in_order(table["config"])
    colours, shapes = theme.palette(configs), theme.markers(configs)
    return {config: (colours[config], shapes[config]) for config in configs}


def _panel(
    axis: "Axes",
    rows: "pd.DataFrame",
    column: str,
    looks: dict[str, tuple[Any, str]],
    *,
    all_numbered: bool,
) -> None:
    best = front(rows, column, least=column == "usd")
    axis.plot(best[column], best["each_user"], color=theme.MUTED, lw=7, alpha=0.25)
    ordered = rows.dropna(subset=[column]).sort_values("users")
    for config, points in ordered.groupby("config", sort=True):
        colour, marker = looks[str(config)]
        axis.plot(points[column], points["each_user"], color=colour, lw=1.6)
        for place, row in points.iterrows():
            face = colour if row["served"] else theme.PAPER
            axis.plot(row[column], row["each_user"], marker, color=colour, mfc=face, ms=6.5)
            if all_numbered or place in best.index:
                theme.label(axis, f"{row['users']:g}", row[column], row["each_user"])
    theme.log_if_wide(axis, rows[column].dropna(), which="x")
    axis.set_ylim(0, 1.15 * rows["each_user"].max())
    if axis.get_xscale() == "linear":
        axis.set_xlim(left=0)


def _handles(table: "pd.DataFrame") -> list[Any]:
    from matplotlib.lines import Line2D

    looks = _look(table)
    if len(looks) == 1:
        return []
    return [Line2D([], [], color=c, marker=m, label=name) for name, (c, m) in looks.items()]
