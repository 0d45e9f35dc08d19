"""Draws the card of a model: its verdict and figures on a picture that needs no page around it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import theme
from llmbench.report.charts.lettering import wrapped
from llmbench.report.page.headlines import Headline, Tile
from llmbench.report.run_curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, HEIGHT_IN, DPI = 12.0, 6.3, 100
"""1200 x 630 pixels, as sites show a picture of a link."""

_LEFT_IN, _PLOT_IN = 0.45, 8.35
_COLOURS = {"valid": theme.GOOD, "misses": theme.WARN, "invalid": theme.BAD}


def card(headline: Headline, curve: Curve | None, small_print: Sequence[str]) -> "Figure":
    """The title, verdict and tiles of a model, throughput over load, and where it was measured."""
    from matplotlib.figure import Figure

    with theme.style():
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
        stamp_in = 1.8 if headline.stamp else 0.0
        title = wrapped(headline.title, WIDTH_IN - 2 * _LEFT_IN - stamp_in, 22, "bold")[0]
        _write(figure, title, _LEFT_IN, 0.35, size=22, weight="bold")
        _write(figure, headline.subtitle, _LEFT_IN, 0.85, size=11.5, colour=theme.MUTED)
        colour = _COLOURS[headline.state]
        verdict = "\n".join(wrapped(headline.verdict, WIDTH_IN - 2 * _LEFT_IN, 13, "bold")[:2])
        _write(figure, verdict, _LEFT_IN, 1.14, size=13, weight="bold", colour=colour)
        if headline.shown:
            _write(figure, headline.shown, _LEFT_IN, 1.5, size=11, colour=theme.MUTED)
        for place, tile in enumerate(headline.tiles[:6]):
            across, down = place % 2, place // 2
            _tile(figure, tile, _LEFT_IN + 3.85 * across, 1.9 + 1.28 * down)
        if curve is not None and len(curve.points) > 1:
            _throughput(figure, curve)
        _write(
            figure, "\n".join(small_print), _LEFT_IN, HEIGHT_IN - 0.5, size=9, colour=theme.MUTED
        )
        if headline.stamp:
            _stamp(figure, headline.stamp)
    return figure


def _tile(figure: "Figure", tile: Tile, left_in: float, top_in: float) -> None:
    _write(figure, tile.label, left_in, top_in, size=10.5, colour=theme.MUTED, weight="bold")
    value = f"{tile.value or '–'} {tile.unit}".strip()
    _write(figure, value, left_in, top_in + 0.19, size=20, weight="bold")
    note = "\n".join(wrapped(tile.note, 3.6, 9)[:3])
    _write(figure, note, left_in, top_in + 0.58, size=9, colour=theme.MUTED)


def _throughput(figure: "Figure", curve: Curve) -> None:
    """Output tokens/s over the load; hollow where it was not served as it should be."""
    width_in = WIDTH_IN - _PLOT_IN - 0.75
    place = ((_PLOT_IN + 0.35) / WIDTH_IN, 1.25 / HEIGHT_IN, width_in / WIDTH_IN, 3.0 / HEIGHT_IN)
    axis: Axes = figure.add_axes(place)
    points = [p for p in curve.points if p.summary.output_tokens_per_s is not None]
    loads = [point.load for point in points]
    rates: list[Any] = [point.summary.output_tokens_per_s for point in points]
    colour, marker = theme.look(0)
    axis.plot(loads, rates, color=colour)
    for point, rate in zip(points, rates, strict=True):
        face = colour if point.load in curve.sound else theme.PAPER
        axis.plot(point.load, rate, marker, color=colour, mfc=face, ms=8, mew=1.6)
    beyond = "misses the SLO" if curve.by_slo else "slower than twice the best"
    hollow = any(point.load not in curve.sound for point in points)
    title = f"output tokens/s{f' (hollow: {beyond})' if hollow else ''}"
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_xlabel("requests/s asked" if curve.cell.shape.is_open_loop else "users")
    axis.set_ylim(bottom=0)
    theme.users_axis(axis, loads)


def _write(
    figure: "Figure",
    text: str,
    left_in: float,
    top_in: float,
    *,
    size: float,
    colour: str = theme.INK,
    weight: str = "normal",
) -> None:
    place = (left_in / WIDTH_IN, 1 - top_in / HEIGHT_IN)
    figure.text(*place, text, fontsize=size, color=colour, fontweight=weight, va="top")


def _stamp(figure: "Figure", stamp: str) -> None:
    box = {"boxstyle": "square,pad=0.35", "facecolor": "none", "edgecolor": theme.WARN, "lw": 2}
    place = (1 - _LEFT_IN / WIDTH_IN, 1 - 0.42 / HEIGHT_IN)
    look: Any = {"fontsize": 14, "fontweight": "bold", "color": theme.WARN, "bbox": box}
    figure.text(*place, stamp, ha="right", va="top", **look)
