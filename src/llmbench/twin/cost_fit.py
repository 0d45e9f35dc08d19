"""Finds the costs of a step, and the engine's limits, with which it shows what was measured.

The residuals are relative (differences of logarithms): TTFT, time per token and throughput of all
cells together, each by its scatter, under a loss that lets outliers count less (soft L1).
"""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
from msgspec import Struct, structs

from llmbench.twin.cell_figures import Array
from llmbench.twin.observed import Observation
from llmbench.twin.playing import COSTS, GATHER_MS, PlayedDraws, TwinEngine, play
from llmbench.value_types import EngineSteps

BUDGETS = (2048, 512, 8192)
"""Token budgets that are tried where none is told, llama.cpp's and older and newer vLLMs' own."""

TOGETHER = (1.0, 0.75, 0.5)
"""Shares of the requests which an idle engine takes together that are tried."""

CLEARLY_BETTER = 0.9
"""Other limits than the first are believed where they leave less than this share of its cost."""

_LEAST = (1e-3, 0.0, 0.0, 0.0)
"""The lower bounds of the costs, as shares of the first guess: every step takes some time."""

_OUTLYING = 2.0
"""Residuals of more standard errors than this count less, as outliers do."""
_CLOSE = 1e-6
"""A search ends where a further step changes costs and loss by no more than this share."""

_INSIDE = 2e-3  # a search begins so far within the bounds; what is closer to one is at it

Policy = Literal["mixed", "prefill-first"]


class CostFit(Struct, frozen=True):
    """The costs (in the order of `COSTS`) with which engines of these limits show the cells best.

    `residuals` are logarithms, measured − fitted: cells × `KINDS`.
    """

    engine: TwinEngine
    costs: Array
    residuals: Array
    loss: float
    at_bound: tuple[bool, ...]  # the costs that would be less if they could


class Told(Struct, frozen=True):
    """What is known of an engine's limits and policy; ``None`` is to be found."""

    slots: int | None = None
    token_budget: int | None = None
    policy: Policy | None = None


def fit(cells: Sequence[Observation], engines: Sequence[TwinEngine]) -> CostFit:
    """The best fit among engines of several limits; the first unless another is clearly better.

    Those that did the same in all cells count once.
    """
    fits, seen = list[CostFit](), list[list[PlayedDraws]]()
    for engine in engines:
        played = [play(cell.load, engine) for cell in cells]
        if not any(_same(played, other) for other in seen):
            seen.append(played)
            fits.append(fit_costs(cells, played, engine))
    best = min(fits, key=lambda one: one.loss)
    return best if best.loss < CLEARLY_BETTER * fits[0].loss else fits[0]


def find(cells: Sequence[Observation], told: Told) -> CostFit:
    """The best fit among all engines: first their limits, then what they take together."""
    fitted = fit(cells, candidates(cells, told))
    if not fitted.engine.steps.gather_ms:
        return fitted
    return fit(cells, [structs.replace(fitted.engine, together=share) for share in TOGETHER])


def fit_costs(
    cells: Sequence[Observation],
    played: Sequence[PlayedDraws],
    engine: TwinEngine,
    start: Array | None = None,
) -> CostFit:
    """The costs that fit an engine of known limits, searched from `start` where that is known."""
    from scipy.optimize import least_squares

    logs = np.array([cell.logs for cell in cells])
    scatter = np.array([cell.scatter for cell in cells])
    units = _first_guess(cells)

    def residuals(relative: Array) -> Array:
        return np.asarray(logs - np.array([one.logs(relative * units) for one in played]))

    def weighed(relative: Array) -> Array:
        return np.asarray((residuals(relative) / scatter).ravel())

    begin = np.ones(len(COSTS)) if start is None else np.maximum(start / units, _INSIDE)
    found = least_squares(
        weighed,
        begin,
        bounds=(_LEAST, np.inf),
        loss="soft_l1",
        f_scale=_OUTLYING,
        ftol=_CLOSE,
        xtol=_CLOSE,
    )
    costs = found.x * units
    steps = structs.replace(engine.steps, **dict(zip(COSTS, map(float, costs), strict=True)))
    return CostFit(
        structs.replace(engine, steps=steps),
        costs,
        residuals(found.x),
        float(found.cost),
        tuple(bool(one) for one in found.x < np.array(_LEAST) + _INSIDE),
    )


def _first_guess(cells: Sequence[Observation]) -> Array:
    """Costs of the right size: of the cell with the least load."""
    least = min(cells, key=lambda cell: (cell.load.users, cell.load.input_tokens))
    ttft_ms, per_token_ms, _ = np.exp(least.logs)
    of_decoding = per_token_ms * np.array((0.7, 0.2, 1e-3, 0.0))
    of_prompts = ttft_ms / least.load.input_tokens * np.array((0.0, 0.0, 0.0, 0.7))
    return np.asarray(of_decoding + of_prompts)


def candidates(cells: Sequence[Observation], told: Told) -> list[TwinEngine]:
    """The engines that the cells may have come from, the likeliest first."""
    users = sorted({cell.load.users for cell in cells}, reverse=True)
    slots = [told.slots] if told.slots else [128, *(n for n in users[1:] if n > 1)]
    budgets = [told.token_budget] if told.token_budget else BUDGETS
    policies: tuple[Policy, ...] = (told.policy,) if told.policy else ("mixed", "prefill-first")
    return [
        TwinEngine(
            EngineSteps(
                base_ms=1.0,
                policy=policy,
                token_budget=budget,
                most_sequences=most,
                gather_ms=gather_ms,
            )
        )
        for policy, most, gather_ms, budget in product(policies, slots, (GATHER_MS, 0.0), budgets)
    ]


def _same(played: Sequence[PlayedDraws], other: Sequence[PlayedDraws]) -> bool:
    """Whether two engines of different limits did the same in all cells."""
    return all(
        len(one.draws) == len(another.draws)
        and all(
            np.array_equal(draw.work, other_draw.work)
            for draw, other_draw in zip(one.draws, another.draws, strict=True)
        )
        for one, another in zip(played, other, strict=True)
    )


def left_out(cells: Sequence[Observation], fitted: CostFit) -> tuple[Array, Array]:
    """Fits without one cell each: their costs (cells × `COSTS`), and the errors on that cell.

    The errors are logarithms, measured − foretold: cells × `KINDS`.
    """
    played = [play(cell.load, fitted.engine) for cell in cells]
    costs, errors = [], []
    for out, cell in enumerate(cells):
        rest = [n for n in range(len(cells)) if n != out]
        kept = [cells[n] for n in rest], [played[n] for n in rest]
        without = fit_costs(*kept, fitted.engine, fitted.costs)
        costs.append(without.costs)
        errors.append(cell.logs - played[out].logs(without.costs))
    return np.array(costs), np.array(errors)
