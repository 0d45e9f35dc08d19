"""Charts of latency against throughput: what more requests/s cost the requests under way."""

from itertools import chain
from typing import TYPE_CHECKING, Any

from llmbench.config import Slo
from llmbench.report.charts import layout, theme
from llmbench.report.charts.against_users import places
from llmbench.report.charts.lettering import is_narrow
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import is_wide, number, plural
from llmbench.value_types import Percentiles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "tradeoff"
MOST_LINES = 8
MOST_FACETS = 4
MOST_LABELS = 8
"""On a line of more points only both ends are labelled."""

_LABELS = {"ttft_ms": "TTFT", "time_per_token_ms": "time per token"}


def part_of(limits: Percentiles, otherwise: str) -> tuple[str, float | None]:
    """The highest percentile that has a limit, and that limit; without any, `otherwise`."""
    for name in ("p99", "p95", "p90", "p50"):
        if name in limits:
            return name, limits[name]
    return otherwise, None


def data(merged: "pd.DataFrame", config: str, slo: Slo) -> "pd.DataFrame":
    """A row for each cell of a configuration: place, load, requests/s, TTFT, time per token.

    The percentiles are those that the SLO limits, else p95 of TTFT and p50 of time per token.
    """
    rows = merged[(merged["config"] == config) & merged["requests_per_s"].notna()]
    rows = rows[rows["load"].isin(("users", "rate"))]
    ttft, _ = part_of(slo.ttft_ms, "p95")
    gap, _ = part_of(slo.time_per_token_ms, "p50")
    names = ["cell", "load", "valid", "outcome", "meets_slo", "stamp", "requests_per_s"]
    table = rows[names].assign(
        input=rows["requested_input_tokens"].fillna(0).astype(int),  # traffic asks for none
        output=rows["requested_output_tokens"].fillna(0).astype(int),
        place=places(rows),
        amount=rows["users"].fillna(rows["rate_per_s"]),
        ttft_ms=rows[f"ttft_ms_{ttft}"],
        time_per_token_ms=rows[f"time_per_token_ms_{gap}"],
        n=rows["ttft_ms_n"],
        ttft_ms_wide=[is_wide(row, "ttft_ms", ttft) for _, row in rows.iterrows()],
        time_per_token_ms_wide=[
            is_wide(row, "time_per_token_ms", gap) for _, row in rows.iterrows()
        ],
    )
    return table.sort_values(["load", "input", "output", "place", "amount"]).reset_index(drop=True)


def chart(merged: "pd.DataFrame", config: str, slo: Slo) -> Chart | None:
    """TTFT and time per token against requests/s, with the SLO's limits; None below two loads."""
    table = data(merged, config, slo)
    import pandas as pd

    if table["amount"].nunique() < 2 or table["ttft_ms"].notna().sum() < 2:
        return None
    title = f"{config}: {finding(table, slo)}"
    facets = _facets(table)
    shown = pd.concat([group for lines in facets.values() for _, group in lines])
    limits = {"ttft_ms": slo.ttft_ms, "time_per_token_ms": slo.time_per_token_ms}
    with theme.style():
        grid = [(facet, name) for name in _LABELS for facet in facets]
        rows = 1 if len(facets) == 1 else len(_LABELS)
        figure, axes = layout.panels(rows, len(grid) // rows, each_in=3.3 if rows == 1 else 2.4)
        handles: dict[str, Any] = {}
        for axis, (facet, quantity) in zip(chain(*axes), grid, strict=True):
            part, limit = part_of(limits[quantity], "p95" if quantity == "ttft_ms" else "p50")
            for label, group in facets[facet]:
                handles[label] = _line(
                    axis, _place(label, facets), label, group, quantity, crowded=bool(facet)
                )
            theme.log_if_wide(axis, table[quantity].dropna())
            title_here = f"{_LABELS[quantity]} {part}, ms"
            above = facet if axis in axes[0] else ""
            axis.set_title(above if facet else title_here, loc="left")
            axis.set_ylabel(title_here if facet and axis in (line[0] for line in axes) else "")
            axis.set_xlim(left=0)
            _limit(axis, limit)
        for axis in axes[-1]:
            axis.set_xlabel("requests/s")
        note = _note(table, any(limits.values())) + theme.drawn(len(shown), len(table))
        stamp = theme.stamp_of(table["stamp"])
        layout.finish(figure, title, note, stamp, list(handles.values()), above_in=0.3)
    name = f"tradeoff-{config}" if (table["output"] > 0).all() else f"tradeoff-{config}-traffic"
    return Chart(name, GROUP, title, f"{title}. {note}", figure)


Lines = list[tuple[str, "pd.DataFrame"]]


def _facets(table: "pd.DataFrame") -> dict[str, Lines]:
    """The lines of each panel by what its title adds: one, or a panel for each output.

    Of more lengths than can be told apart, those drawn are spread from the shortest to the longest.
    """
    keys = ["output", "load", "input", "place"]
    groups: list[Any] = list(table.groupby(keys, sort=True))
    if len(groups) <= MOST_LINES:
        return {"": [(_label(place, load), group) for (_, load, _, place), group in groups]}
    outputs, inputs = sorted(set(table["output"])), sorted(set(table["input"]))
    wide = [outputs[k] for k in theme.spread(len(outputs), MOST_FACETS)]
    deep = [inputs[k] for k in theme.spread(len(inputs), MOST_LINES)]
    return {
        f"out {output}": [
            (_label(place.partition(" · ")[0], load), group)
            for (out, load, wanted, place), group in groups
            if out == output and wanted in deep
        ]
        for output in wide
    }


def _label(place: str, load: str) -> str:
    return f"{place}{', open loop' if load == 'rate' else ''}"


def _place(label: str, facets: dict[str, Lines]) -> int:
    """The number of a line among those of all panels, which gives its colour and marker."""
    return list(dict.fromkeys(label for lines in facets.values() for label, _ in lines)).index(
        label
    )


def _note(table: "pd.DataFrame", limited: bool) -> str:
    low, high = int(table["n"].min()), int(table["n"].max())
    n = f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"
    note = f"A point for each cell, numbered by users; {n} requests a cell."
    if table[["ttft_ms_wide", "time_per_token_ms_wide"]].to_numpy().any():
        note += " ~: the percentile's 95 % interval is wide for so few requests."
    return note + (" Dashed: the SLO." if limited else "")


def finding(table: "pd.DataFrame", slo: Slo) -> str:
    """The most requests/s within the SLO, or how latency grows towards the most requests/s."""
    if not table["valid"].any():
        return "no cell is valid"
    sustained = table[table["valid"] & (table["outcome"] != "overloaded")]
    limits = {"ttft_ms": slo.ttft_ms, "time_per_token_ms": slo.time_per_token_ms}
    limit_of = {name: part_of(value, "p50")[1] for name, value in limits.items() if value}
    if not limit_of:
        return _growth(sustained) if len(sustained) else "overloaded at every load"
    inside = sustained[sustained["meets_slo"]]
    for name, limit in limit_of.items():
        inside = inside[inside[name] <= limit]
    if inside.empty:
        return "no cell meets the SLO's limits on time"
    best = inside.sort_values("requests_per_s", kind="stable").iloc[-1]
    return f"within the SLO up to {number(best['requests_per_s'])} requests/s ({_where(best)})"


def _growth(table: "pd.DataFrame") -> str:
    top = table.sort_values("requests_per_s", kind="stable").iloc[-1]
    alike = table["place"] == top["place"]
    first = table[alike & (table["load"] == top["load"])].iloc[0]
    span = f"{number(first['ttft_ms'])} to {number(top['ttft_ms'])} ms"
    return f"TTFT goes from {span} on the way to {number(top['requests_per_s'])} requests/s"


def _where(row: Any) -> str:
    amount = int(row["amount"]) if row["load"] == "users" else row["amount"]
    load = plural(amount, "user") if row["load"] == "users" else f"{amount:g}/s asked"
    return f"{str(row['place']).replace(' · ', ', ')}, {load}"


def _line(
    axis: "Axes", k: int, label: str, group: "pd.DataFrame", quantity: str, *, crowded: bool
) -> Any:
    from matplotlib.lines import Line2D

    colour, marker = theme.look(k)
    points = group.dropna(subset=[quantity])
    axis.plot(points["requests_per_s"], points[quantity], color=colour, lw=1.8)
    ends = {points.index[0], points.index[-1]} if len(points) else set()
    for place, row in points.iterrows():
        face = colour if row["outcome"] == "valid" else theme.PAPER
        axis.plot(row["requests_per_s"], row[quantity], marker, color=colour, mfc=face, ms=6.5)
        if place in ends or not (crowded or len(points) > MOST_LABELS):
            bare = crowded or is_narrow() or quantity != "ttft_ms"
            n = "" if bare else f"n={int(row['n'])}"
            hint = f" ~{n}" if row[f"{quantity}_wide"] else ""
            theme.label(axis, f"{row['amount']:g}{hint}", row["requests_per_s"], row[quantity])
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
