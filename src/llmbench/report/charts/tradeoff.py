"""Charts of latency against throughput: what more requests/s cost the requests under way."""

from typing import TYPE_CHECKING, Any

from llmbench.config import Slo
from llmbench.report.charts import theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number, plural
from llmbench.value_types import Percentiles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "tradeoff"
MOST_LINES = 8
_LABELS = {"ttft_ms": "TTFT", "time_per_token_ms": "time per token"}


def part_of(limits: Percentiles, otherwise: str) -> tuple[str, float | None]:
    """The highest percentile that has a limit, and that limit; without any, `otherwise`."""
    for name in ("p99", "p95", "p90", "p50"):
        if name in limits:
            return name, limits[name]
    return otherwise, None


def data(merged: "pd.DataFrame", config: str, slo: Slo) -> "pd.DataFrame":
    """A row for each cell of a configuration: lengths, load, requests/s, TTFT, time per token.

    The percentiles are those that the SLO limits, else p95 of TTFT and p50 of time per token.
    """
    rows = merged[(merged["config"] == config) & merged["requests_per_s"].notna()]
    rows = rows[rows["load"].isin(("users", "rate"))]
    ttft, _ = part_of(slo.ttft_ms, "p95")
    gap, _ = part_of(slo.time_per_token_ms, "p50")
    table = rows[["cell", "load", "valid", "outcome", "stamp", "requests_per_s"]].assign(
        input=rows["requested_input_tokens"].astype(int),
        output=rows["requested_output_tokens"].astype(int),
        amount=rows["users"].fillna(rows["rate_per_s"]),
        ttft_ms=rows[f"ttft_ms_{ttft}"],
        time_per_token_ms=rows[f"time_per_token_ms_{gap}"],
    )
    return table.sort_values(["load", "input", "output", "amount"]).reset_index(drop=True)


def chart(merged: "pd.DataFrame", config: str, slo: Slo) -> Chart | None:
    """TTFT and time per token against requests/s, with the SLO's limits; None below two loads."""
    table = data(merged, config, slo)
    if table["amount"].nunique() < 2 or table["ttft_ms"].notna().sum() < 2:
        return None
    title = f"{config}: {finding(table, slo)}"
    groups = list(table.groupby(["load", "input", "output"], sort=True))
    shown = _most(groups)
    with theme.style():
        figure, axes = theme.panels(1, 2)
        limits = {"ttft_ms": slo.ttft_ms, "time_per_token_ms": slo.time_per_token_ms}
        for axis, (quantity, label) in zip(axes[0], _LABELS.items(), strict=True):
            part, limit = part_of(limits[quantity], "p95" if quantity == "ttft_ms" else "p50")
            handles = [_line(axis, k, group, quantity) for k, (_, group) in enumerate(shown)]
            theme.log_if_wide(axis, table[quantity].dropna())
            axis.set_title(f"{label} {part}, ms", loc="left")
            axis.set_xlabel("requests/s")
            axis.set_xlim(left=0)
            _limit(axis, limit)
        rest = f"; {len(shown)} of {len(groups)} lengths" if len(shown) < len(groups) else ""
        note = f"A point for each of {plural(len(table), 'cell')}, numbered by users{rest}."
        if any(limits.values()):
            note += " Dashed: the SLO."
        theme.finish(figure, title, note, theme.stamp_of(table["stamp"]), handles, above_in=0.3)
    return Chart(f"tradeoff-{config}", GROUP, title, f"{title}. {note}", figure)


def finding(table: "pd.DataFrame", slo: Slo) -> str:
    """The most requests/s within the SLO, or how latency grows towards the most requests/s."""
    valid = table[table["valid"]] if table["valid"].any() else table
    sustained = valid[valid["outcome"] != "overloaded"]
    limits = {"ttft_ms": slo.ttft_ms, "time_per_token_ms": slo.time_per_token_ms}
    limit_of = {name: part_of(value, "p50")[1] for name, value in limits.items() if value}
    if not limit_of:
        return _growth(sustained) if len(sustained) else "overloaded at every load"
    inside = sustained
    for name, limit in limit_of.items():
        inside = inside[inside[name] <= limit]
    if inside.empty:
        return "no cell meets the SLO's limits on time"
    best = inside.sort_values("requests_per_s", kind="stable").iloc[-1]
    return f"within the SLO up to {number(best['requests_per_s'])} requests/s ({_where(best)})"


def _growth(table: "pd.DataFrame") -> str:
    top = table.sort_values("requests_per_s", kind="stable").iloc[-1]
    alike = (table["input"] == top["input"]) & (table["output"] == top["output"])
    first = table[alike & (table["load"] == top["load"])].iloc[0]
    span = f"{number(first['ttft_ms'])} to {number(top['ttft_ms'])} ms"
    return f"TTFT goes from {span} on the way to {number(top['requests_per_s'])} requests/s"


def _where(row: Any) -> str:
    amount = int(row["amount"]) if row["load"] == "users" else row["amount"]
    load = plural(amount, "user") if row["load"] == "users" else f"{amount:g}/s asked"
    return f"in {int(row['input'])}, out {int(row['output'])}, {load}"


def _most(groups: list[Any]) -> list[Any]:
    """At most eight of the lengths, those with the most requests/s."""
    if len(groups) <= MOST_LINES:
        return groups
    best = sorted(groups, key=lambda pair: -pair[1]["requests_per_s"].max())[:MOST_LINES]
    return [pair for pair in groups if any(pair is chosen for chosen in best)]


def _line(axis: "Axes", k: int, group: "pd.DataFrame", quantity: str) -> Any:
    import seaborn as sns
    from matplotlib.lines import Line2D

    colour, marker = sns.color_palette("colorblind")[k], theme.MARKERS[k]
    points = group.dropna(subset=[quantity])
    axis.plot(points["requests_per_s"], points[quantity], color=colour, lw=1.8)
    for _, row in points.iterrows():
        face = colour if row["outcome"] == "valid" else theme.PAPER
        axis.plot(row["requests_per_s"], row[quantity], marker, color=colour, mfc=face, ms=6.5)
        axis.annotate(
            f"{row['amount']:g}",
            (row["requests_per_s"], row[quantity]),
            (4, 5),
            textcoords="offset points",
            fontsize=8.5,
            color=theme.MUTED,
        )
    first = group.iloc[0]
    open_loop = ", open loop" if first["load"] == "rate" else ""
    label = f"in {first['input']} · out {first['output']}{open_loop}"
    return Line2D([], [], color=colour, marker=marker, label=label)


def _limit(axis: "Axes", limit: float | None) -> None:
    if limit is None:
        return
    low, high = axis.get_ylim()
    if high < 1.05 * limit <= 5 * high:
        axis.set_ylim(low, 1.1 * limit)
    if limit <= axis.get_ylim()[1]:
        axis.axhline(limit, color=theme.BAD, lw=1.3, dashes=(4, 3))
        axis.text(
            1.0,
            limit,
            f"SLO {number(limit)} ",
            color=theme.BAD,
            fontsize=9,
            ha="right",
            va="bottom",
            transform=axis.get_yaxis_transform(),
        )
