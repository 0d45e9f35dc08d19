"""The look of all charts: a title that says the finding, quiet axes, stamps that can't be missed.

Colours are seaborn's colour-blind safe palette; each series also has its own marker and dashes.
The SVG files keep text as text and draw ink, grid and paper in colours that the page swaps for
its own, light or dark.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.report.charts.lettering import Width, is_narrow, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, PAPER = "#1c2430", "#5b6675", "#dfe4ea", "#fefefe"
WARN, BAD, GOOD = "#b35c00", "#b3261e", "#1a7f4b"
FONTS = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "p")
"""Eleven, which have no factor in common with the ten colours: no pair comes twice in 110 names."""

SHADES = (1.0, 0.6, 1.35)
"""The ten colours as they are, then darker, then lighter."""

DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2), (3, 1), (1, 3))


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
    with mpl.rc_context(_rc(width())):
        yield


@cache
def _rc(here: Width) -> Any:
    """Matplotlib's settings at a width: seaborn's white grid and palette, and our own on top."""
    import seaborn as sns
    from matplotlib import font_manager
    from matplotlib.rcsetup import cycler

    installed = set(font_manager.get_font_names())
    fonts = [name for name in FONTS if name in installed]
    theirs = sns.axes_style("whitegrid") | sns.plotting_context("notebook")
    ten = {"axes.prop_cycle": cycler("color", sns.color_palette("colorblind"))}
    return {**theirs, **ten, **_ours(here, fonts)}


def _ours(here: Width, fonts: Sequence[str]) -> dict[str, Any]:
    return {
        "font.family": "sans-serif",
        "font.sans-serif": list(fonts),
        "font.size": here.label_pt,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.titlesize": here.label_pt,
        "axes.titlecolor": INK,
        "axes.titley": 1.0,  # else each drawing looks for ticks above the axes; there are none
        "axes.labelsize": here.label_pt,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": here.tick_pt,
        "ytick.labelsize": here.tick_pt,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "lines.linewidth": 2.0,
        "lines.markersize": 6,
        "legend.frameon": False,
        "legend.fontsize": min(10, here.label_pt),
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "svg.fonttype": "none",
        "text.parse_math": False,
    }


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, sorted as one counts: ``cores2`` before ``cores16``."""
    parts = {name: re.split(r"(\d+)", name) for name in names}
    return sorted(parts, key=lambda name: [int(p) if p.isdigit() else p for p in parts[name]])


def palette(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each name; the same names get the same colours in every chart of a run."""
    import seaborn as sns

    ten = sns.color_palette("colorblind", 10)
    return {name: _shade(ten[k % 10], SHADES[k // 10 % 3]) for k, name in enumerate(names)}


@cache
def deep_colours() -> tuple[str, ...]:
    """The ten darker colours, as in SVG; on a dark page they would hardly be seen as they are."""
    from matplotlib.colors import to_hex

    names = [str(k) for k in range(20)]
    return tuple(to_hex(colour) for colour in list(palette(names).values())[10:])


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
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    short = is_narrow()  # now, and not when the figure is saved
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, short=short)))
    axis.set_minor_locator(NullLocator())  # they would not be seen, but take time


def _tick(value: float, *, short: bool) -> str:
    """The number at a tick: ``30,000``, or shorter ``30k``."""
    if short and value >= 1000:
        return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k"
    return f"{value:,g}"


def users_axis(axis: "Axes", users: Sequence[float]) -> None:
    """Make the x axis logarithmic, with ticks at the numbers of users that were tried."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    values = sorted(set(users))
    if len(values) > 1 and values[-1] / values[0] > 3:
        axis.set_xscale("log", base=2)
    most = width().most_users
    shown = values if len(values) <= most else values[:: -(-len(values) // most)]
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
