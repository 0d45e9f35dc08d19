"""Writes the Markdown summary of a run and its card."""

from pathlib import Path

from llmbench.config import ConfigError
from llmbench.report.markdown import summary
from llmbench.report.page.headlines import Headline, headline, main_curve
from llmbench.report.page.run_facts import facts
from llmbench.report.read import RunData, read_run
from llmbench.report.run_curves import config_of, curves_of
from llmbench.store import RunDir
from llmbench.value_types import nearest

MOST_ROWS = 24
"""A longer table of cells is left out of the summary; the page has it."""


def share(run: RunDir, model: str | None = None, folder: Path | None = None) -> Path:
    """Write ``summary.md`` and ``card.png`` into `folder` (``share/`` of the run); the summary.

    The card is that of `model`, by default the first. `ConfigError` where the run has no cell, or
    none of this model.
    """
    data = read_run(run)
    names = [str(name) for name in dict.fromkeys(data.merged["model"])]
    if not names:
        raise ConfigError(f"{run.path}: no cell was measured, so there is nothing to share")
    if model is not None and model not in names:
        raise ConfigError(f"--model: {model!r} is not in {run.path}{nearest(model, names)}")
    folder = folder or run.path / "share"
    folder.mkdir(parents=True, exist_ok=True)
    _draw(data, model or names[0], folder / "card.png")
    file = folder / "summary.md"
    file.write_text(shared_text(data), encoding="utf-8")
    return file


def shared_text(data: RunData) -> str:
    """The verdict and figures of each model, the verdict against a baseline, and the cells."""
    from llmbench.report.write import kept_verdict
    from llmbench.verdict import markdown

    names = dict.fromkeys(str(name) for name in data.merged["model"])
    parts = [_section(headline(data, name)) for name in names]
    parts.insert(1, "![the figures as a card](card.png)\n")
    verdict = kept_verdict(data.run, None)
    if verdict is not None:
        parts.append(markdown(verdict))
    if len(data.results) <= MOST_ROWS:
        parts.append(summary("cells", data.results, ended=not data.killed))
    parts.append(f"<sub>{' · '.join(_small_print(data))}</sub>\n")
    return "\n".join(parts)


def _section(card: Headline) -> str:
    """A heading with the verdict, and a row for each figure."""
    from llmbench.verdict import escaped

    stamp = "**SIMULATED**: these numbers are not a real server's. " if card.stamp else ""
    shown = f" ({card.shown})" if card.shown else ""
    lines = [f"### {escaped(card.title)}{shown}", "", f"{stamp}**{escaped(card.verdict)}**", ""]
    lines += ["| | | |", "|---|--:|---|"]
    for tile in card.tiles:
        value = f"{tile.value or '–'} {tile.unit}".strip()
        lines.append(f"| {tile.label} | **{value}** | {escaped(tile.note)} |")
    return "\n".join([*lines, ""])


def _small_print(data: RunData) -> list[str]:
    """When, where and with what it was measured."""
    from llmbench.verdict import escaped

    return [*map(escaped, facts(data)), f"pytest-llmbench {data.info.harness}"]


def _draw(data: RunData, model: str, file: Path) -> None:
    from llmbench.metrics import sizing_of
    from llmbench.report.charts import theme
    from llmbench.report.share.card import DPI, card

    curves = [curve for curve in curves_of(data) if curve.model == model]
    sizes = sizing_of(data.results, model, config_of(data, model))
    curve = curves[main_curve(curves, sizes)] if curves else None
    lines = facts(data)
    small_print = [" · ".join(lines[:2]), " · ".join([*lines[2:], *_made_by(data)])]
    with theme.style():
        card(headline(data, model), curve, small_print).savefig(file, dpi=DPI)


def _made_by(data: RunData) -> list[str]:
    price = next((m.price for m in data.info.models if m.price), None)
    source = [f"price: {price.source}"] if price else []
    return [f"pytest-llmbench {data.info.harness}", *source]
