"""The curves of a run: the cells of one configuration and length, from light to heavy load.

`llmbench.metrics` works out knee, peak, sizes and costs; here it is given the run's cells.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from llmbench.cells import Cell, Ramp
from llmbench.config import ModelConfig, Slo
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
    sound: frozenset[float] = frozenset()  # loads that the server served as it should
    by_slo: bool = False  # which are those within the SLO; else, those without slowdown

    @property
    def served(self) -> "tuple[Point, ...]":
        """The points at loads that it served as it should: only of these a sentence tells costs."""
        return tuple(point for point in self.points if point.load in self.sound)


def curves_of(data: RunData) -> tuple[Curve, ...]:
    """A curve for each configuration and lengths (or traffic); a ramp is a curve of its own."""
    from llmbench.metrics import curve_of, findings

    groups: dict[tuple[str, str, bool], list[CellResult]] = {}
    for result in usable(data.results):
        cell = result.summary.cell
        if is_load(cell):
            key = (cell.config_name, cell.lengths_name, cell.shape.is_open_loop)
            groups.setdefault(key, []).append(result)
    curves = []
    for (config, *_), results in groups.items():
        points = tuple(curve_of([result.summary for result in results]))
        cell, found = results[0].summary.cell, findings(points)
        missed = {r.summary.cell.shape.load for r in results if not r.meets_slo}
        within = frozenset(point.load for point in points) - missed
        by_slo = has_slo(config_of(data, cell.model))
        sound = within if by_slo else without_slowdown(points, found)
        curves.append(Curve(cell.model, config, cell, points, found, False, sound, by_slo))
    return (*curves, *_ramps(data))


def has_slo(config: ModelConfig | None) -> bool:
    """Whether the model's SLO limits anything."""
    from llmbench.metrics import resolve

    limits = resolve(config.slo if config else Slo())
    return limits != Slo(preset=limits.preset)


def without_slowdown(points: "Sequence[Point]", found: "Findings") -> frozenset[float]:
    """The loads up to that of most requests/s without significant deterioration."""
    top = found.sustained.load if found.sustained else float("-inf")
    return frozenset(point.load for point in points if point.load <= top)


def is_load(cell: Cell) -> bool:
    """Whether the cell is a point of a curve, and not a ramp, a trace or a cold start."""
    return cell.shape.load is not None and not cell.is_cold


def usable(results: Sequence[CellResult]) -> list[CellResult]:
    """The valid results; a cell may have none."""
    return [result for result in results if result.valid]


def _ramps(data: RunData) -> list[Curve]:
    """A curve for each repeat of a ramp; the SLO is not judged for a step of it."""
    from llmbench.metrics import findings, steady_points

    curves = []
    for cell, points in data.ramps:
        if isinstance(cell.shape, Ramp):
            found = findings(steady_points(points))
            sound = without_slowdown(points, found)
            curves.append(Curve(cell.model, cell.config_name, cell, points, found, True, sound))
    return curves


def config_of(data: RunData, model: str) -> ModelConfig | None:
    """The model's configuration, if the run kept it."""
    return next((config for config in data.info.models if config.name == model), None)


def cost_of(config: ModelConfig | None, curve: Curve, point: "Point") -> "Cost | None":
    """What a point of a curve costs at the price of the model; None where that is not known."""
    from llmbench.metrics import cost, occupied, price_of

    price = None if config is None else price_of(config)
    if config is None or price is None:
        return None
    inputs, outputs = tokens_of(point.summary)
    limits = occupied(config.server, curve.cell.limits)
    return cost(price, point.requests_per_s, inputs, outputs, limits)


def best_served(curve: Curve) -> "Point | None":
    """The served point of most requests/s, at which a request costs least."""
    return max(curve.served, key=lambda point: point.requests_per_s, default=None)


def tokens_of(summary: CellSummary) -> tuple[float, float]:
    """The mean input and output tokens of a request, as measured or else as asked for."""
    inputs, outputs = summary.input_tokens, summary.output_tokens
    return (
        inputs.mean if inputs else summary.cell.input_tokens,
        outputs.mean if outputs else summary.cell.output_tokens,
    )
