"""Charts of how a cell's requests differ (ECDFs of TTFT and time per token), and heat maps."""

from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.charts.timelines.over_time import short_names
from llmbench.report.numbers import number, plural

if TYPE_CHECKING:
    import pandas as pd

GROUP = "distribution"
LABELS = {"ttft_ms": "TTFT", "time_per_token_ms": "time per token", "latency_ms": "latency"}
MOST_LINES = 12


def ecdf_chart(quantiles: "pd.DataFrame", merged: "pd.DataFrame", config: str) -> Chart | None:
    """The share of requests at or below each TTFT and time per token, a line for each cell."""
    cells = [str(c) for c in merged[merged["config"] == config]["cell"]]
    rows = quantiles[quantiles["cell"].isin(cells)]
    rows = rows[rows["quantity"].isin(("ttft_ms", "time_per_token_ms")) & (rows["n"] >= 5)]
    if rows.empty:
        return None
    shown, picked = _spread(rows, cells)
    valid = set(merged[merged["valid"]]["cell"])
    title = f"{config}: {_finding(rows[rows['cell'].isin(valid)])}"
    with theme.style():
        figure, axes = layout.panels(1, 2, sharey=True)
        colours = _colours(shown)
        for axis, quantity in zip(axes[0], ("ttft_ms", "time_per_token_ms"), strict=True):
            for k, (cell, label) in enumerate(zip(shown, short_names(shown), strict=True)):
                part = rows[(rows["cell"] == cell) & (rows["quantity"] == quantity)]
                axis.step(
                    part["value"],
                    part["share"],
                    where="post",
                    color=colours[k],
                    lw=1.7,
                    label=label,
                    dashes=theme.DASHES[k % len(theme.DASHES)] or (None, None),
                )
            values = rows[rows["quantity"] == quantity]["value"]
            theme.log_if_wide(axis, values, which="x")
            axis.set_xlabel(f"{LABELS[quantity]}, ms")
            axis.set_ylim(0, 1.01)
        axes[0][0].set_ylabel("share of requests at or below")
        low, high = int(rows["n"].min()), int(rows["n"].max())
        note = f"ECDF over the steady window; n = {low:,} to {high:,} requests a cell{picked}."
        stamp = theme.stamp_of(merged[merged["config"] == config]["stamp"])
        layout.finish(
            figure,
            title,
            note,
            stamp,
            axes[0][0].get_lines(),
            between_in=(0.3, 0),
            above_in=0.12,
        )
    return Chart(f"distribution-{config}", GROUP, title, f"{title}. {note}", figure)


def _colours(cells: list[str]) -> list[Any]:
    import seaborn as sns

    return list(
        sns.color_palette("viridis", len(cells))
        if len(cells) > 6
        else sns.color_palette("colorblind", len(cells))
    )


def _spread(rows: "pd.DataFrame", cells: list[str]) -> tuple[list[str], str]:
    """At most a dozen of the cells, spread from the fastest median TTFT to the slowest."""
    measured = set(rows["cell"])
    have = [cell for cell in cells if cell in measured]
    if len(have) <= MOST_LINES:
        return have, ""
    ttft = rows[rows["quantity"] == "ttft_ms"]
    middle = ttft[ttft["share"] >= 0.5].groupby("cell")["value"].first().sort_values()
    step = (len(middle) - 1) / (MOST_LINES - 1)
    names = [str(middle.index[round(k * step)]) for k in range(MOST_LINES)]
    return names, f"; {MOST_LINES} of {len(have)} cells, from the fastest to the slowest"


def _finding(rows: "pd.DataFrame") -> str:
    """A line that names the cell whose TTFT has the widest spread (p95 over p50)."""
    ttft = rows[rows["quantity"] == "ttft_ms"]
    if ttft.empty:
        return "TTFT of no valid cell is known"
    middle = ttft[ttft["share"] >= 0.5].groupby("cell")["value"].first()
    high = ttft[ttft["share"] >= 0.95].groupby("cell")["value"].first()
    ratio = (high / middle).dropna()
    cell, worst = ratio.idxmax(), float(ratio.max())
    return f"TTFT p95 is at most {number(worst, 2)}× its median ({cell})"


def heat_data(merged: "pd.DataFrame", config: str, quantity: str) -> "pd.DataFrame":
    """`quantity` by input × output length, at the fewest users with which most were measured."""
    rows = merged[(merged["config"] == config) & (merged["load"] == "users")]
    rows = rows[rows["requested_input_tokens"].notna()]  # traffic has many lengths
    if rows.empty:
        return rows
    at = rows.groupby("users").size().sort_index(ascending=True)
    users = at[at == at.max()].index[0]
    table: pd.DataFrame = rows[rows["users"] == users].pivot_table(
        index="requested_input_tokens", columns="requested_output_tokens", values=quantity
    )
    table.index, table.columns = table.index.astype(int), table.columns.astype(int)
    table.attrs["users"] = int(users)
    return table


HEAT = {
    "ttft_ms_p50": "TTFT p50, ms",
    "time_per_token_ms_p50": "time per token p50, ms",
    "output_tokens_per_s": "output tokens/s",
}


def heat_chart(merged: "pd.DataFrame", config: str) -> Chart | None:
    """TTFT, time per token and output tokens/s over input × output lengths."""
    tables = {name: heat_data(merged, config, name) for name in HEAT}
    first = tables["ttft_ms_p50"]
    if min(first.shape, default=0) < 2:
        return None
    import seaborn as sns

    title = f"{config}: {_heat_finding(first)}"
    blues = sns.light_palette(sns.color_palette("colorblind")[0], as_cmap=True)
    with theme.style():
        figure, axes = layout.panels(1, 3, each_in=max(1.2, 0.5 * len(first)))
        for axis, (name, label) in zip(axes[0], HEAT.items(), strict=True):
            values = tables[name]
            sns.heatmap(
                values,
                ax=axis,
                cmap=blues,
                annot=values.map(number),
                fmt="",
                cbar=False,
                linewidths=1.5,
                linecolor=theme.PAPER,
                annot_kws={"fontsize": 10},
                vmin=0,
            )
            axis.set_title(label, loc="left")
            axis.set(xlabel="output tokens", ylabel="input tokens" if axis is axes[0][0] else "")
            axis.tick_params(axis="y", rotation=0)
            axis.grid(False)
        users = plural(first.attrs["users"], "user")
        note = f"At {users}; medians over repeats; darker is more, from 0 up."
        stamp = theme.stamp_of(merged[merged["config"] == config]["stamp"])
        layout.finish(figure, title, note, stamp)
    return Chart(f"heat-{config}", GROUP, title, f"{title}. {note}", figure)


def _heat_finding(table: "pd.DataFrame") -> str:
    column = table.columns[0]
    low, high = table[column].iloc[0], table[column].iloc[-1]
    span = f"from {int(table.index[0])} to {int(table.index[-1])} input tokens"
    return f"TTFT goes from {number(low)} to {number(high)} ms {span}"
