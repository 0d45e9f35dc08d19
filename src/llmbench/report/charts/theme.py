"""The look of all charts: a title that says the finding, quiet axes, stamps that can't be missed.

Colours are seaborn's colour-blind safe palette; each series also has its own marker and dashes.
The SVG files keep text as text and draw ink, grid and paper in colours that the page swaps for
its own, light or dark.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.report.charts.lettering import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1c2430", "#5b6675", "#dfe4ea", "#fefefe"
WARN, BAD, GOOD = "#b35c00", "#b3261e", "#1a7f4b"
FONTS = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "p")
"""Eleven, which have no factor in common with the ten colours: no pair comes twice in 110 names."""

SHADES = (1.0, 0.6, 1.35)
"""The ten colours as they are, then darker, then lighter."""

DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2), (3, 1), (1, 3))
WIDTH_IN = 10.0
_LEFT_IN, _RIGHT_IN = 0.92, 0.22
_TITLE_PT, _NOTE_PT = 15.0, 10.0


class Chart(Struct, frozen=True):
    """A drawn chart; `title` is its finding, `alt` describes it to someone who can't see it."""

    name: str  # of the chart's files
    group: str  # of charts on the page
    title: str
    alt: str
    figure: Any


@contextmanager
def style() -> Iterator[None]:
    """Set the theme while a chart is drawn."""
    import matplotlib as mpl

    mpl.use("Agg")
    import seaborn as sns
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    fonts = [name for name in FONTS if name in installed]
    with mpl.rc_context(), sns.axes_style("whitegrid"), sns.plotting_context("notebook"):
        sns.set_palette("colorblind")
        mpl.rcParams.update(_rc(fonts))
        yield


def _rc(fonts: Sequence[str]) -> Any:
    return {
        "font.family": "sans-serif",
        "font.sans-serif": list(fonts),
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.titlesize": 11,
        "axes.titlecolor": INK,
        "axes.titley": 1.0,  # else each drawing looks for ticks above the axes, of which it has none
        "axes.labelsize": 11,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "lines.linewidth": 2.0,
        "lines.markersize": 6,
        "legend.frameon": False,
        "legend.fontsize": 10,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "svg.fonttype": "none",
        "text.parse_math": False,
    }


def palette(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each name; the same names get the same colours in every chart of a run."""
    import seaborn as sns

    ten = sns.color_palette("colorblind", 10)
    return {name: _shade(ten[k % 10], SHADES[k // 10 % 3]) for k, name in enumerate(names)}


def _shade(colour: Sequence[float], factor: float) -> tuple[float, ...]:
    """The colour, darker for a factor below 1, else nearer to white."""
    if factor <= 1:
        return tuple(factor * part for part in colour)
    return tuple(1 - (1 - part) / factor for part in colour)


def markers(names: Sequence[str]) -> dict[str, str]:
    """A marker for each name."""
    return {name: MARKERS[k % len(MARKERS)] for k, name in enumerate(names)}


def look(k: int) -> tuple[Any, str]:
    """The colour and the marker of the line number `k` of a chart."""
    names = [str(number) for number in range(k + 1)]
    return palette(names)[names[k]], markers(names)[names[k]]


def label(axis: "Axes", text: str, x: float, y: float) -> None:
    """Write what a point is beside it."""
    axis.annotate(text, (x, y), (4, 5), textcoords="offset points", fontsize=8.5, color=MUTED)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of so many places, spread evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(k * (count - 1) / (most - 1)) for k in range(most)]


def drawn(shown: int, count: int) -> str:
    """The sentence that says how many cells a chart leaves out; empty where it has all."""
    return f" {shown:,} of {count:,} cells drawn." if shown < count else ""


def panels(
    rows: int, columns: int, *, each_in: float | None = None, **options: Any
) -> "tuple[Figure, list[list[Axes]]]":
    """A figure of `rows` × `columns` axes, as wide as a slide; `finish` makes room for words."""
    from matplotlib.figure import Figure

    each = each_in or (3.3 if rows == 1 else max(1.35, 2.35 - 0.2 * rows))
    width = max(WIDTH_IN, 0.9 + 1.7 * columns)
    figure = Figure(figsize=(width, each * rows))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(line) for line in axes]


def finish(
    figure: "Figure",
    title: str,
    note: str,
    stamp: str = "",
    handles: Sequence[Any] = (),
    *,
    between_in: tuple[float, float] = (0.62, 0.42),
    above_in: float = 0.28,
    left_in: float = _LEFT_IN,
) -> "Figure":
    """Put the finding, the small print and the stamp above the axes and a legend below them.

    `between_in` is the room between columns and between rows of axes, `above_in` the room for
    what stands right above the first row.
    """
    width, axes_in = (float(side) for side in figure.get_size_inches())
    beside_in = 0.12 * len(stamp) + 0.3 if stamp else 0.0
    lines = wrapped(title, width - 0.3 - beside_in, _TITLE_PT, "bold")
    small = wrapped(note, width - 0.3, _NOTE_PT)
    columns = legend_columns(handles)
    legend_rows = -(-len(handles) // columns) if handles else 0
    top = 0.14 + 0.27 * len(lines) + 0.2 * len(small) + 0.14 + above_in
    bottom = 0.62 + 0.24 * legend_rows
    rows, across = figure.axes[0].get_subplotspec().get_gridspec().get_geometry()  # type: ignore[union-attr]
    height = axes_in + top + bottom + between_in[1] * (rows - 1)
    figure.set_size_inches(width, height)
    one_wide = (width - left_in - _RIGHT_IN - between_in[0] * (across - 1)) / across
    figure.subplots_adjust(
        left=left_in / width,
        right=1 - _RIGHT_IN / width,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=between_in[0] / one_wide,
        hspace=between_in[1] / (axes_in / rows),
    )
    _words(figure, lines, small)
    if stamp:
        _stamp(figure, stamp)
    if handles:
        place: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.02 / height)}
        figure.legend(handles=list(handles), ncols=columns, borderaxespad=0.2, **place)
    return figure


def legend_columns(handles: Sequence[Any]) -> int:
    """The number of columns that the longest label leaves room for, at most five."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    return max(1, min(5, len(handles), int(9.0 // (0.085 * longest + 0.75))))


def _words(figure: "Figure", lines: list[str], small: list[str]) -> None:
    width, height = figure.get_size_inches()
    figure.text(
        0.14 / width,
        1 - 0.14 / height,
        "\n".join(lines),
        fontsize=_TITLE_PT,
        fontweight="bold",
        va="top",
        linespacing=1.15,
    )
    figure.text(
        0.14 / width,
        1 - (0.2 + 0.27 * len(lines)) / height,
        "\n".join(small),
        fontsize=_NOTE_PT,
        color=MUTED,
        va="top",
        linespacing=1.2,
    )


def _stamp(figure: "Figure", stamp: str) -> None:
    width, height = figure.get_size_inches()
    colour = BAD if "INVALID" in stamp else WARN
    figure.text(
        1 - 0.22 / width,
        1 - 0.2 / height,
        stamp,
        ha="right",
        va="top",
        color=colour,
        fontsize=11,
        fontweight="bold",
        bbox={"boxstyle": "square,pad=0.35", "facecolor": "none", "edgecolor": colour, "lw": 1.6},
    )


def log_if_wide(axis: "Axes", values: Any, factor: float = 30.0, which: str = "y") -> None:
    """Make an axis logarithmic where the values span more than `factor`, else start it at 0."""
    positive = values[values > 0]
    wide = len(positive) and positive.max() / positive.min() > factor
    if not wide and which == "y":
        axis.set_ylim(bottom=0)
    elif not wide:
        axis.margins(x=0.03)
    else:
        (axis.set_yscale if which == "y" else axis.set_xscale)("log")
        _plain_log_ticks(axis.yaxis if which == "y" else axis.xaxis)


def _plain_log_ticks(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def users_axis(axis: "Axes", users: Sequence[float]) -> None:
    """Make the x axis logarithmic, with ticks at the numbers of users that were tried."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    values = sorted(set(users))
    if len(values) > 1 and values[-1] / values[0] > 3:
        axis.set_xscale("log", base=2)
    shown = values if len(values) <= 7 else values[:: -(-len(values) // 7)]
    axis.xaxis.set_major_locator(FixedLocator(shown))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    margin = 1.15
    if values and values[0] > 0:
        axis.set_xlim(values[0] / margin, values[-1] * margin)


def stamp_of(stamps: Any) -> str:
    """The stamp of a chart: SIMULATED if any number is, INVALID or OVERLOADED only if all are."""
    texts = [str(stamp) for stamp in stamps]
    simulated = any("SIMULATED" in text for text in texts)
    words = [w for w in ("INVALID", "OVERLOADED") if texts and all(w in text for text in texts)]
    return " ".join(["SIMULATED"] * simulated + words)
