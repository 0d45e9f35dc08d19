"""How a step's time grows with its sequences: by a line, or each number of them has its own time.

Engines multiply their matrices by one vector otherwise than by several, and by some numbers of them
otherwise than by others. That is believed only where it leaves clearly less of a fit's loss.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import structs

from llmbench.twin.fitting.cost_fit import CostFit, best, fit_costs, is_exact
from llmbench.twin.fitting.observed import Observation
from llmbench.twin.playing import PlayedDraws, TwinEngine
from llmbench.twin.step_costs import with_batches

LEAST_BATCHES = 3
"""A line goes through two times as well."""

_LEAST_CELLS = 2
"""A number of sequences has a time of its own where one cell of it can be left out."""


def fit_shape(
    cells: Sequence[Observation], played: Sequence[PlayedDraws], engine: TwinEngine
) -> CostFit:
    """Fit a line, or times of numbers of sequences where these are clearly better.

    `played` are the cells on this engine, whose costs are a line's.
    """
    fitted = fit_costs(cells, played, engine)
    batches = batches_of(cells, engine)
    if not batches or is_exact(fitted):
        return fitted
    shaped = [one.shaped(batches) for one in played]
    return best([fitted, fit_costs(cells, shaped, of_shape(engine, batches))])


def batches_of(cells: Sequence[Observation], engine: TwinEngine) -> tuple[int, ...]:
    """The numbers of sequences whose time the cells tell; none if those are too few."""
    most = engine.steps.most_sequences
    counted = Counter(min(cell.load.users, most) for cell in cells)
    batches = tuple(sorted(n for n, of_cells in counted.items() if of_cells >= _LEAST_CELLS))
    return batches if len(batches) >= LEAST_BATCHES else ()


def of_shape(engine: TwinEngine, batches: tuple[int, ...]) -> TwinEngine:
    """The engine with times, yet to be found, for these numbers of sequences, or with a line."""
    return structs.replace(engine, steps=with_batches(engine.steps, batches))
