"""Writes charts as files, and as SVG inside the page that follows its light or dark colours."""

import base64
import re
from html import escape
from io import BytesIO, StringIO
from pathlib import Path

from msgspec import Struct

from llmbench.report.charts import theme
from llmbench.report.charts.gallery import Drawing
from llmbench.report.charts.lettering import on_a_phone
from llmbench.report.charts.theme import Chart

DPI = 160
LARGEST_SVG = 220_000
"""A chart whose SVG has more bytes is shown as PNG, so that the page can still be mailed."""

_SWAPS = {
    theme.INK: "var(--ink)",
    theme.MUTED: "var(--muted)",
    theme.GRID: "var(--line)",
    theme.PAPER: "var(--surface)",
    theme.WARN: "var(--warn)",
    theme.BAD: "var(--bad)",
    theme.GOOD: "var(--good)",
}


class Picture(Struct, frozen=True):
    """A chart as the page shows it; `body` and `narrow` are markup that is safe to insert."""

    name: str
    group: str
    body: str
    narrow: str  # the same chart for a phone


def picture(draw: Drawing, folder: Path) -> Picture | None:
    """Draw a chart for the page, a phone and `folder`; None where the run has no data for it."""
    chart = draw()
    if chart is None:
        return None
    with on_a_phone():
        narrow = draw()
    return save(chart, chart if narrow is None else narrow, folder)


def save(chart: Chart, narrow: Chart, folder: Path) -> Picture:
    """Write the chart as PNG and SVG into `folder`, and return it as part of a page."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", chart.name)
    svg = _svg(chart, name)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    with theme.style():
        chart.figure.savefig(folder / f"{name}.png", format="png", dpi=DPI)
    bodies = (_body(chart, svg), _body(narrow, _svg(narrow, f"{name}-narrow")))
    return Picture(name, chart.group, *bodies)


def _svg(chart: Chart, salt: str) -> str:
    """The chart as SVG; the ids in it differ from those with another `salt`."""
    import matplotlib as mpl

    svg = StringIO()
    with theme.style(), mpl.rc_context({"svg.hashsalt": salt}):
        chart.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "llmbench"})
    return svg.getvalue()


def _body(chart: Chart, svg: str) -> str:
    body = inline(svg, chart.alt)
    return _embedded_png(chart) if len(body) > LARGEST_SVG else body


def _embedded_png(chart: Chart) -> str:
    png = BytesIO()
    with theme.style():
        chart.figure.savefig(png, format="png", dpi=96)
    data = base64.b64encode(png.getvalue()).decode()
    return f'<img alt="{escape(chart.alt, quote=True)}" src="data:image/png;base64,{data}">'


def inline(svg: str, alt: str) -> str:
    """A matplotlib SVG, without prologue, metadata and ids that clash, in the page's colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' id="[a-zA-Z.0-9]+_\d+"', "", body)
    body = re.sub(r" font-family: [^;\"]+;?", "", body)
    for colour, variable in _SWAPS.items():
        body = body.replace(colour, variable)
    for colour in theme.deep_colours():
        body = body.replace(colour, f"color-mix(in srgb, {colour}, white var(--lift))")
    body = re.sub(r">\s+<", "><", body)
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), body)
    view = re.search(r'viewBox="[^"]+"', body)
    head = f'<svg class="chart" {view[0] if view else ""} role="img" aria-label="{escape(alt)}"'
    names = ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg">'
    return head + names + body[body.index(">") + 1 :]
