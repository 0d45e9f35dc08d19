"""The curves of a run: the cells of one configuration and length, from light to heavy load.

`llmbench.metrics` works out knee, peak, sizes and costs; here it is given the run's cells.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from llmbench.cells import Cell, Ramp
from llmbench.config import ModelConfig
from llmbench.report.read import RunData
from llmbench.results import CellResult, CellSummary

if TYPE_CHECKING:
    from llmbench.metrics import Cost, Findings, Point


class Curve(Struct, frozen=True):
    """The points of rising load at one configuration and length, and what they show."""

    model: str
    config: str
    cell: Cell  # any of its cells, as they differ only in load
    points: "tuple[Point, ...]"
    findings: "Findings"
    ramp: bool = False


def curves_of(data: RunData) -> tuple[Curve, ...]:
    """A curve for each configuration, input and output length; a ramp is a curve of its own."""
    from llmbench.metrics import curve_of, findings

    groups: dict[tuple[str, int, int, bool], list[CellSummary]] = {}
    for result in usable(data.results):
        cell = result.summary.cell
        if is_load(cell):
            lengths = cell.input_tokens, cell.output_tokens
            key = (cell.config_name, *lengths, cell.shape.is_open_loop)
            groups.setdefault(key, []).append(result.summary)
    curves = []
    for (config, *_), summaries in groups.items():
        points = tuple(curve_of(summaries))
        cell = summaries[0].cell
        curves.append(Curve(cell.model, config, cell, points, findings(points)))
    return (*curves, *_ramps(data))


def is_load(cell: Cell) -> bool:
    """Whether the cell is a point of a curve, and not a ramp, a trace or a cold start."""
    return cell.shape.load is not None and not cell.is_cold


def usable(results: Sequence[CellResult]) -> list[CellResult]:
    """The valid results; a cell may have none."""
    return [result for result in results if result.valid]


def _ramps(data: RunData) -> list[Curve]:
    from llmbench.metrics import findings, steady_points

    return [
        Curve(
            cell.model, cell.config_name, cell, points, findings(steady_points(points)), ramp=True
        )
        for cell, points in data.ramps
        if isinstance(cell.shape, Ramp)
    ]


def config_of(data: RunData, model: str) -> ModelConfig | None:
    """The model's configuration, if the run kept it."""
    return next((config for config in data.info.models if config.name == model), None)


def cost_at(data: RunData, curve: Curve) -> "Cost | None":
    """What the curve's sustained load costs, or its peak if no load is sustained."""
    from llmbench.metrics import cost

    model = config_of(data, curve.model)
    point = curve.findings.sustained or curve.findings.peak
    if model is None or model.price is None or point is None:
        return None
    inputs, outputs = tokens_of(point.summary)
    return cost(model.price, point.requests_per_s, inputs, outputs, curve.cell.limits)


def tokens_of(summary: CellSummary) -> tuple[float, float]:
    """The mean input and output tokens of a request, as measured or else as asked for."""
    inputs, outputs = summary.input_tokens, summary.output_tokens
    return (
        inputs.mean if inputs else summary.cell.input_tokens,
        outputs.mean if outputs else summary.cell.output_tokens,
    )
