"""Finds the costs of a step with which an engine of known limits shows what was measured.

The residuals are relative (differences of logarithms): TTFT, time per token and throughput of all
cells together, each by its scatter, under a loss that lets outliers count less (soft L1).
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs

from llmbench.twin.cell_figures import Array
from llmbench.twin.fitting.observed import Observation
from llmbench.twin.fitting.scattering import about_means, standard_error
from llmbench.twin.playing import DRAWS, PlayedDraws, TwinEngine, play
from llmbench.twin.step_costs import with_costs

CLEARLY_BETTER = 0.9
"""Other limits than the first are believed where they leave less than this share of its cost."""

EXACT = 0.02
"""A fit is exact whose loss for each residual is less: those lie far below the scatter."""

_LEAST = 1e-3
"""The lower bound of the first cost, as a share of the first guess: every step takes some time."""

_OUTLYING = 2.0
"""Residuals of more standard errors than this count less, as outliers do."""

_CLOSE = 1e-6
"""A search ends where a further step changes costs and loss by no more than this share."""

_INSIDE = 2e-3  # a search begins so far within the bounds; what is closer to one is at it


class CostFit(Struct, frozen=True):
    """The costs, as `costs_of` has them, with which engines of these limits show the cells best.

    `residuals` are logarithms, measured − fitted: cells × `KINDS`.
    """

    engine: TwinEngine
    costs: Array
    residuals: Array
    loss: float
    at_bound: tuple[bool, ...]  # the costs that would be less if they could

    @property
    def spare(self) -> int:
        """How many more cells were measured than costs found, as a cell's figures err together."""
        return len(self.residuals) - len(self.costs)


def best(fits: Sequence[CostFit]) -> CostFit:
    """The first, unless another is clearly better for each cell it has to spare."""

    def of_each(one: CostFit) -> float:
        return one.loss / max(1, one.spare)

    least = min(fits, key=of_each)
    return least if of_each(least) < CLEARLY_BETTER * of_each(fits[0]) else fits[0]


def is_exact(fitted: CostFit) -> bool:
    """Whether a fit explains all but nothing of what was measured."""
    return fitted.loss < EXACT * fitted.residuals.size


def play_all(
    cells: Sequence[Observation], engine: TwinEngine, draws: int = DRAWS
) -> list[PlayedDraws]:
    """All cells, played on one engine."""
    return [play(cell.loads, engine, draws) for cell in cells]


def reweighed(
    cells: Sequence[Observation], played: Sequence[PlayedDraws], fitted: CostFit
) -> tuple[Observation, ...]:
    """The cells with the scatter of their repeats beyond what the lengths of prompts explain."""
    about = [cell.repeats - one.each(fitted.costs) for cell, one in zip(cells, played, strict=True)]
    scatter = about_means([cell.load.users for cell in cells], about)
    return tuple(
        structs.replace(cell, scatter=standard_error(scatter[cell.load.users], len(cell.repeats)))
        for cell in cells
    )


def fit_costs(
    cells: Sequence[Observation],
    played: Sequence[PlayedDraws],
    engine: TwinEngine,
    start: Array | None = None,
) -> CostFit:
    """The costs that fit an engine of known limits, searched from `start` where that is known.

    Batch times are found by what each has more than the one before it, as none has less.
    """
    from scipy.optimize import least_squares

    logs = np.array([cell.logs for cell in cells])
    scatter = np.array([cell.scatter for cell in cells])
    batches = len(engine.batches)
    units = _first_guess(cells, engine.batches)
    least = np.array([_LEAST] + [0.0] * (len(units) - 1))

    def whole(relative: Array) -> Array:
        gains = relative * units
        return np.append(np.cumsum(gains[:batches]), gains[batches:])

    def residuals(relative: Array) -> Array:
        return np.asarray(logs - np.array([one.logs(whole(relative)) for one in played]))

    def weighed(relative: Array) -> Array:
        return np.asarray((residuals(relative) / scatter).ravel())

    begin = np.ones(len(units))
    if start is not None:
        gains = np.append(np.diff(start[:batches], prepend=0.0), start[batches:])
        begin = np.maximum(gains / units, _INSIDE)
    found = least_squares(
        weighed,
        begin,
        bounds=(least, np.inf),
        loss="soft_l1",
        f_scale=_OUTLYING,
        ftol=_CLOSE,
        xtol=_CLOSE,
    )
    costs = whole(found.x)
    return CostFit(
        structs.replace(engine, steps=with_costs(engine.steps, costs)),
        costs,
        residuals(found.x),
        float(found.cost),
        tuple(bool(one) for one in found.x < least + _INSIDE),
    )


def _first_guess(cells: Sequence[Observation], batches: Sequence[int]) -> Array:
    """Costs of the right size, of the cell with the least load; of batches what each has more."""
    least = min(cells, key=lambda cell: (cell.load.users, cell.load.input_tokens))
    ttft_ms, per_token_ms, _ = np.exp(least.logs)
    further = np.diff(batches) if batches else (1,)
    of_decoding = per_token_ms * np.array((0.7, *(0.2 * more for more in further), 1e-3))
    return np.append(of_decoding, 0.7 * ttft_ms / least.load.input_tokens)
