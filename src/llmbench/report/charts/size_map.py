"""The map of sizes: what each number of cores and memory limit gives, and which will do."""

from typing import TYPE_CHECKING, Any

from llmbench.cells import format_bytes
from llmbench.report.charts import layout, theme
from llmbench.report.charts.lettering import is_narrow
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from llmbench.metrics import Sizing

GROUP = "capacity"
MOST_BESIDE = 4
"""Squares that stand beside each other on a phone with their words inside; more stand below."""


def size_data(sizes: "Sizing") -> "pd.DataFrame":
    """A row for each size: its instances and cores, memory, output tokens/s, price, and whether it
    will do, or why not."""
    import pandas as pd

    return pd.DataFrame(
        {
            "extent": [sizes.extent(row) for row in sizes.rows],
            "memory": [_memory(row.limits.memory_bytes) for row in sizes.rows],
            "memory_bytes": [row.limits.memory_bytes for row in sizes.rows],
            "tokens_per_s": [row.output_tokens_per_s for row in sizes.rows],
            "usd_per_hour": [row.usd_per_hour for row in sizes.rows],
            "feasible": [row.feasible for row in sizes.rows],
            "why": [_short(row.why) for row in sizes.rows],
            "ideal": [row == sizes.ideal for row in sizes.rows],
        }
    )


def _memory(count: int | None) -> str:
    return "no limit" if count is None else format_bytes(count)


def _short(why: str) -> str:
    """Why a size will not do, in a word or two that fit into its square."""
    text = why.lower()
    if "oom" in text or "out of memory" in text or "memory" in text:
        return "OOM"
    if not text:
        return ""
    return "misses SLO" if "limit" in text and "died" not in text else "INVALID"


def size_chart(sizes: "Sizing", model: str, stamp: str) -> Chart | None:
    """Output tokens/s over instances × cores and memory; the ideal is framed, unfit are crossed."""
    import seaborn as sns

    table = size_data(sizes)
    if len(table) < 2:
        return None
    title = f"{model}: {size_finding(sizes)}"
    order = list(dict.fromkeys(table.sort_values("memory_bytes", ascending=False)["memory"]))
    extents = list(dict.fromkeys(table["extent"]))
    table["text"] = [_square(row) for _, row in table.iterrows()]
    down, across, labels = ("memory", "extent", ("memory limit", sizes.axis))
    rows, columns = order, extents
    turned = is_narrow() and len(extents) > max(MOST_BESIDE, len(order))
    if turned:
        down, across, labels = across, down, labels[::-1]
        rows, columns = extents, order
    squares = table.pivot(index=down, columns=across).loc[rows]
    values, texts = squares["tokens_per_s"][columns], squares["text"][columns].fillna("")
    blues = sns.light_palette(sns.color_palette("colorblind")[0], as_cmap=True)
    with theme.style():
        figure, axes = layout.panels(1, 1, each_in=max(1.6, 0.72 * len(rows)))
        axis = axes[0][0]
        axis.set_facecolor(theme.GRID)
        sns.heatmap(
            values.astype(float),
            ax=axis,
            cmap=blues,
            annot=texts.to_numpy(),
            fmt="",
            vmin=0,
            linewidths=1.5,
            linecolor=theme.PAPER,
            annot_kws={"fontsize": 10},
            cbar=not turned,  # it would be as wide as a tenth of its height
            cbar_kws={"label": "output tokens/s"},
        )
        _crosses(
            axis, [(columns.index(r[across]), rows.index(r[down]), r) for _, r in table.iterrows()]
        )
        axis.set(ylabel=labels[0], xlabel=labels[1])
        axis.tick_params(axis="y", rotation=0)
        axis.grid(False)
        note = (
            f"Of {plural(len(table), 'size')}, its best cell's output tokens/s; framed: the ideal"
        )
        note += f" ({sizes.rule}); grey or crossed: will not do."
        layout.finish(figure, title, note, stamp, above_in=0.1)
    return Chart(f"sizing-{model}", GROUP, title, f"{title}. {note}", figure)


def _square(row: Any) -> str:
    rate = number(row["tokens_per_s"])
    return f"{rate}\n{row['why']}".strip() if row["why"] else rate


def _crosses(axis: "Axes", squares: list[tuple[int, int, Any]]) -> None:
    """Frame the ideal and cross what will not do; each square has its column and its row."""
    from matplotlib.patches import Rectangle

    for x, y, row in squares:
        if row["ideal"]:
            axis.add_patch(
                Rectangle((x + 0.03, y + 0.04), 0.94, 0.92, fill=False, ec=theme.INK, lw=3)
            )
        elif not row["feasible"]:
            axis.plot([x, x + 1], [y + 1, y], color=theme.BAD, lw=1.0, alpha=0.7)
            if row["tokens_per_s"] != row["tokens_per_s"]:
                axis.text(x + 0.5, y + 0.5, row["why"], ha="center", va="center", color=theme.BAD)


def size_finding(sizes: "Sizing") -> str:
    """A line that names the ideal size, and the size from which more cores stop paying off."""
    if sizes.ideal is None:
        return f"none of {plural(len(sizes.rows), 'size')} will do"
    text = f"ideal is {sizes.ideal.limits.text}"
    return f"{text}; {sizes.returns}" if sizes.returns else text
