"""Writes charts as files, and as SVG inside the page that follows its light or dark colours."""

import base64
import re
from html import escape
from io import BytesIO, StringIO
from pathlib import Path

from msgspec import Struct

from llmbench.report.charts import theme
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
    """A chart as the page shows it; `body` is markup that is safe to insert as it is."""

    name: str
    group: str
    body: str


def save(chart: Chart, folder: Path) -> Picture:
    """Write the chart as PNG and SVG into `folder`, and return it as part of a page."""
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", chart.name)
    png, svg = BytesIO(), StringIO()
    with theme.style(), mpl.rc_context({"svg.hashsalt": name}):
        chart.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "llmbench"})
        chart.figure.savefig(png, format="png", dpi=DPI)
    (folder / f"{name}.svg").write_text(svg.getvalue(), encoding="utf-8")
    (folder / f"{name}.png").write_bytes(png.getvalue())
    if len(svg.getvalue()) > LARGEST_SVG:
        return Picture(name, chart.group, _embedded_png(chart))
    return Picture(name, chart.group, inline(svg.getvalue(), chart.alt))


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
    body = re.sub(r">\s+<", "><", body)
    view = re.search(r'viewBox="[^"]+"', body)
    head = f'<svg class="chart" {view[0] if view else ""} role="img" aria-label="{escape(alt)}"'
    names = ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg">'
    return head + names + body[body.index(">") + 1 :]
