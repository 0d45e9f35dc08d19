"""One look for all charts: a title that says the finding, quiet axes, stamps that can't be missed.

Colours are seaborn's colour-blind safe palette; each series also has its own marker and dashes.
The SVG files keep text as text and draw ink, grid and paper in colours that the page swaps for
its own, light or dark.
"""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1c2430", "#5b6675", "#dfe4ea", "#ffffff"
WARN, BAD, GOOD = "#b35c00", "#b3261e", "#1a7f4b"
FONTS = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2), (3, 1), (1, 3))
WIDTH_IN = 10.0
_TITLE_PT, _NOTE_PT = 15.0, 10.0


class Chart(Struct, frozen=True):
    """A drawn chart. `title` is the finding, `alt` says it to someone who can't see it."""

    name: str  # of its files
    group: str  # of the page
    title: str
    alt: str
    figure: Any


@contextmanager
def style() -> Iterator[None]:
    """The theme, for the time of drawing only."""
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
        "font.family": "sans-serif", "font.sans-serif": list(fonts), "font.size": 11,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED,
        "axes.titlesize": 11, "axes.titlecolor": INK, "axes.labelsize": 11,
        "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelsize": 10, "ytick.labelsize": 10,
        "grid.color": GRID, "grid.linewidth": 0.8, "axes.linewidth": 0.8,
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
        "lines.linewidth": 2.0, "lines.markersize": 6, "legend.frameon": False,
        "legend.fontsize": 10, "figure.facecolor": PAPER, "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER, "svg.fonttype": "none", "figure.max_open_warning": 0,
    }  # fmt: skip


def palette(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each name; the same for the same names in every chart of a run."""
    import seaborn as sns

    colours = sns.color_palette("colorblind", max(1, len(names)))
    return dict(zip(names, colours, strict=True))


def markers(names: Sequence[str]) -> dict[str, str]:
    """A marker for each name."""
    return {name: MARKERS[k % len(MARKERS)] for k, name in enumerate(names)}


def panels(
    rows: int, columns: int, *, height_in: float | None = None, **options: Any
) -> "tuple[Figure, list[list[Axes]]]":
    """A figure of `rows` × `columns` axes, wide as a slide, with room for the title."""
    from matplotlib.figure import Figure

    each = 4.3 if rows == 1 else max(1.9, 3.2 - 0.25 * rows)
    height = height_in or 1.35 + each * rows
    figure = Figure(figsize=(max(WIDTH_IN, 1.9 * columns), height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(line) for line in axes]


def finish(figure: "Figure", title: str, note: str, stamp: str = "") -> "Figure":
    """Put the finding, the small print under it and the stamp on top of `figure`."""
    width, height = figure.get_size_inches()
    room = 8.6 * width if not stamp else 8.6 * width - 2.2 * len(stamp)
    lines = textwrap.wrap(title, max(30, round(room))) or [title]
    small = textwrap.wrap(note, round(14.5 * width))
    pad = 0.14
    top = pad + 0.255 * len(lines) + 0.19 * len(small) + 0.12
    figure.get_layout_engine().set(rect=(0.01, 0.01, 0.98, 0.98 - top / height))  # type: ignore[union-attr,call-arg]
    figure.text(
        0.13 / width, 1 - pad / height, "\n".join(lines),
        fontsize=_TITLE_PT, fontweight="bold", va="top", linespacing=1.15,
    )  # fmt: skip
    below = pad + 0.255 * len(lines) + 0.05
    figure.text(
        0.13 / width, 1 - below / height, "\n".join(small),
        fontsize=_NOTE_PT, color=MUTED, va="top", linespacing=1.2,
    )  # fmt: skip
    if stamp:
        _stamp(figure, stamp)
    return figure


def _stamp(figure: "Figure", stamp: str) -> None:
    width, height = figure.get_size_inches()
    colour = BAD if "INVALID" in stamp else WARN
    figure.text(
        1 - 0.2 / width, 1 - 0.2 / height, stamp, ha="right", va="top", color=colour,
        fontsize=11, fontweight="bold",
        bbox={"boxstyle": "square,pad=0.35", "facecolor": "none", "edgecolor": colour, "lw": 1.6},
    )  # fmt: skip


def legend(figure: "Figure", handles: Sequence[Any], columns: int = 4) -> None:
    """One legend for all panels, under them."""
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)))


def log_if_wide(axis: "Axes", values: Any, factor: float = 30.0) -> None:
    """A logarithmic y axis where the values span more than `factor`, else one that starts at 0."""
    positive = values[values > 0]
    if len(positive) and positive.max() / positive.min() > factor:
        axis.set_yscale("log")
        _plain_log_ticks(axis)
    else:
        axis.set_ylim(bottom=0)


def _plain_log_ticks(axis: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def users_axis(axis: "Axes", users: Sequence[float]) -> None:
    """A logarithmic x axis whose ticks are the numbers of users that were tried."""
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
    """The stamp of a chart: SIMULATED if any number is, INVALID only if all are."""
    texts = [str(stamp) for stamp in stamps]
    simulated = any("SIMULATED" in text for text in texts)
    invalid = bool(texts) and all("INVALID" in text for text in texts)
    return " ".join(w for w, on in (("SIMULATED", simulated), ("INVALID", invalid)) if on)
