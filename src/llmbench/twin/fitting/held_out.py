"""How far a fit can be believed: its errors on what it had not seen, and how its costs scatter."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from llmbench.twin.cell_figures import Array
from llmbench.twin.fitting.cost_fit import CostFit, fit_costs
from llmbench.twin.fitting.observed import Observation
from llmbench.twin.fitting.step_shape import batches_of, of_shape
from llmbench.twin.playing import PlayedDraws, TwinEngine

LEAST_CELLS = 6
"""Four costs need four cells, one that is held out, and one that can show a scatter."""

CONFIDENCE = 0.9


class HeldOut(Struct, frozen=True):
    """Cells that a fit had not seen, and its errors on them (measured − foretold, logarithms)."""

    cell_ids: tuple[str, ...]
    errors: Array  # cells × `KINDS`

    @property
    def shares(self) -> Array:
        """How far off the foretold figures were, as shares of the measured ones."""
        return np.abs(np.expm1(-self.errors))


class CellsLeftOut(Struct, frozen=True):
    """Fits without one cell each: their costs (cells × costs), and their errors."""

    costs: Array
    errors: HeldOut


def left_out(
    cells: Sequence[Observation], played: Sequence[PlayedDraws], fitted: CostFit
) -> CellsLeftOut:
    """Fit without one cell at a time, and foretell that."""
    costs, errors = [], []
    for out, (cell, of_cell) in enumerate(zip(cells, played, strict=True)):
        rest = [n for n in range(len(cells)) if n != out]
        kept, of_kept = [cells[n] for n in rest], [played[n] for n in rest]
        costs.append(fit_costs(kept, of_kept, fitted.engine, fitted.costs).costs)
        errors.append(cell.logs - of_cell.logs(costs[-1]))
    ids = tuple(cell.cell_id for cell in cells)
    return CellsLeftOut(np.array(costs), HeldOut(ids, np.array(errors)))


def highest_load(
    cells: Sequence[Observation], played: Sequence[PlayedDraws], engine: TwinEngine
) -> HeldOut | None:
    """The errors on the cells with the most users, of a fit to the others.

    It knows no time of a number of sequences that only those cells tell.
    """
    most = max(cell.load.users for cell in cells)
    rest = [cell for cell in cells if cell.load.users < most]
    if len({cell.load.users for cell in rest}) < 2 or len(rest) < LEAST_CELLS - 1:
        return None
    if engine.batches:
        engine = of_shape(engine, batches_of(rest, engine))
    shaped = {
        cell.cell_id: one.shaped(engine.batches) for cell, one in zip(cells, played, strict=True)
    }
    fitted = fit_costs(rest, [shaped[cell.cell_id] for cell in rest], engine)
    highest = [cell for cell in cells if cell.load.users == most]
    errors = [cell.logs - shaped[cell.cell_id].logs(fitted.costs) for cell in highest]
    return HeldOut(tuple(cell.cell_id for cell in highest), np.array(errors))


def repeats_held_out(ids: tuple[str, ...], about: Sequence[Array]) -> HeldOut | None:
    """How far each repeat lies from the mean of its cell's others: all repeats × `KINDS`.

    `about` is measured − fitted, so that the lengths of a repeat's prompts don't count.
    """
    repeated = [(name, one) for name, one in zip(ids, about, strict=True) if len(one) > 1]
    if not repeated:
        return None
    errors = [
        (repeats - repeats.mean(axis=0)) * len(repeats) / (len(repeats) - 1)
        for _, repeats in repeated
    ]
    names = tuple(name for name, repeats in repeated for _ in repeats)
    return HeldOut(names, np.vstack(errors))


def spread(values: Array) -> Array:
    """The jackknife's standard error from the values of fits without one cell each."""
    n = len(values)
    return np.asarray(np.sqrt((n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0)))


def quantile(cells: int) -> float:
    """How many standard errors an interval reaches: Student's t with a degree for each cell - 1."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, cells - 1))


def intervals(values: Array, without: Array) -> Array:
    """The 90 % interval of each value (values × low, high); those are at least 0."""
    half = quantile(len(without)) * spread(without)
    return np.stack((np.maximum(values - half, 0.0), values + half), axis=1)
