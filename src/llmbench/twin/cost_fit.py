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
from llmbench.twin.observed import Observation, pooled, standard_error
from llmbench.twin.playing import (
    COSTS,
    DRAWS,
    GATHER_MS,
    HAND_OVER_MS,
    PlayedDraws,
    TwinEngine,
    play,
    with_costs,
)
from llmbench.value_types import EngineSteps

BUDGETS = (2048, 512, 8192)
"""Token budgets that are tried where none is told, llama.cpp's and older and newer vLLMs' own."""

WAITS = (5, 3, 8)
"""For how many hand-overs an idle engine may wait for requests that come in turn."""

CLEARLY_BETTER = 0.9
"""Other limits than the first are believed where they leave less than this share of its cost."""

EXACT = 0.02
"""A fit is exact whose loss for each residual is less: those lie far below the scatter."""

SEARCH_DRAWS = 4
"""The same where engines are compared, of which there are many."""

_LEAST = (1e-3, 0.0, 0.0, 0.0, 1e-3)
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
    found: int  # how many of the costs
    at_bound: tuple[bool, ...]  # the costs that would be less if they could


class Told(Struct, frozen=True):
    """What is known of an engine's limits and policy; ``None`` is to be found."""

    slots: int | None = None
    token_budget: int | None = None
    policy: Policy | None = None


LLAMA_CPP = Told(policy="mixed", token_budget=2048)
"""What llama.cpp's server does unless it is told otherwise (`--batch-size`)."""


def fit(cells: Sequence[Observation], engines: Sequence[TwinEngine]) -> CostFit:
    """The best fit among engines of several limits; the first unless another is clearly better."""
    return best(fits_of(cells, engines))


def fits_of(cells: Sequence[Observation], engines: Sequence[TwinEngine]) -> list[CostFit]:
    """A fit for each of the engines; those that did the same in all cells count once."""
    fits, seen = list[CostFit](), list[list[PlayedDraws]]()
    for engine in engines:
        played = play_all(cells, engine, SEARCH_DRAWS)
        if not any(_same(played, other) for other in seen):
            seen.append(played)
            fits.append(fit_costs(cells, played, engine))
    return fits


def best(fits: Sequence[CostFit]) -> CostFit:
    """The first, unless another is clearly better."""
    least = min(fits, key=lambda one: one.loss)
    return least if least.loss < CLEARLY_BETTER * fits[0].loss else fits[0]


def play_all(
    cells: Sequence[Observation], engine: TwinEngine, draws: int = DRAWS
) -> list[PlayedDraws]:
    """All cells, played on one engine."""
    return [play(cell.loads, engine, draws) for cell in cells]


def find(cells: Sequence[Observation], told: Told) -> CostFit:
    """The best fit among all engines: first their limits, then for how long they wait.

    Requests come at one moment where that explains all but nothing of what was measured.
    """
    steps = candidates(cells, told)
    together = [TwinEngine(structs.replace(one, gather_ms=GATHER_MS)) for one in steps]
    at_once = fits_of(cells, [*together, *map(TwinEngine, steps)])
    fitted = best(at_once)
    if fitted.loss < EXACT * fitted.residuals.size:
        return fitted
    fitted = best([*at_once, *fits_of(cells, [waiting(one, WAITS[0]) for one in steps])])
    if not fitted.engine.in_turn:
        return fitted
    return fit(cells, [waiting(fitted.engine.steps, hand_overs) for hand_overs in WAITS])


def waiting(steps: EngineSteps, hand_overs: int) -> TwinEngine:
    """An engine to which requests come in turn, and which waits for so many while it is idle."""
    gather_ms = HAND_OVER_MS * hand_overs
    return TwinEngine(structs.replace(steps, gather_ms=gather_ms), in_turn=True)


def reweighed(
    cells: Sequence[Observation], played: Sequence[PlayedDraws], fitted: CostFit
) -> tuple[Observation, ...]:
    """The cells with the scatter of their repeats beyond what the lengths of prompts explain."""
    about = [cell.repeats - one.each(fitted.costs) for cell, one in zip(cells, played, strict=True)]
    scatter = pooled(about)
    return tuple(
        structs.replace(cell, scatter=standard_error(scatter, len(cell.repeats))) for cell in cells
    )


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
    own_alone = engine.steps.alone_ms is not None
    units = _first_guess(cells)[: len(COSTS) if own_alone else -1]
    least = _LEAST[: len(units)]

    def whole(relative: Array) -> Array:
        costs = relative * units
        return costs if own_alone else np.append(costs, costs[0] + costs[1])

    def residuals(relative: Array) -> Array:
        return np.asarray(logs - np.array([one.logs(whole(relative)) for one in played]))

    def weighed(relative: Array) -> Array:
        return np.asarray((residuals(relative) / scatter).ravel())

    begin = np.ones(len(units))
    if start is not None:
        begin = np.maximum(start[: len(units)] / units, _INSIDE)
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
        len(units),
        tuple(bool(one) for one in found.x < np.array(least) + _INSIDE),
    )


def _first_guess(cells: Sequence[Observation]) -> Array:
    """Costs of the right size: of the cell with the least load."""
    least = min(cells, key=lambda cell: (cell.load.users, cell.load.input_tokens))
    ttft_ms, per_token_ms, _ = np.exp(least.logs)
    of_decoding = per_token_ms * np.array((0.7, 0.2, 1e-3, 0.0, 0.9))
    of_prompts = ttft_ms / least.load.input_tokens * np.array((0.0, 0.0, 0.0, 0.7, 0.0))
    return np.asarray(of_decoding + of_prompts)


def candidates(cells: Sequence[Observation], told: Told) -> list[EngineSteps]:
    """The limits of engines that the cells may have come from, the likeliest first."""
    users = sorted({cell.load.users for cell in cells}, reverse=True)
    slots = [told.slots] if told.slots else [128, *(n for n in users[1:] if n > 1)]
    budgets = [told.token_budget] if told.token_budget else _budgets(cells)
    policies: tuple[Policy, ...] = (told.policy,) if told.policy else ("mixed", "prefill-first")
    return [
        EngineSteps(base_ms=1.0, policy=policy, token_budget=budget, most_sequences=most)
        for policy, most, budget in product(policies, slots, budgets)
    ]


def _budgets(cells: Sequence[Observation]) -> list[int]:
    """The budgets that limit a step of some cell, after the first that may limit none."""
    most = max(cell.load.users * (cell.load.input_tokens + 1) for cell in cells)
    ample = [budget for budget in BUDGETS if budget >= most]
    return [*ample[:1], *(budget for budget in BUDGETS if budget < most)]


def _same(played: Sequence[PlayedDraws], other: Sequence[PlayedDraws]) -> bool:
    """Whether two engines of different limits did the same in all cells."""
    return all(
        len(draws) == len(others)
        and all(
            np.array_equal(draw.work, another.work)
            for draw, another in zip(draws, others, strict=True)
        )
        for one, of_other in zip(played, other, strict=True)
        for draws, others in zip(one.repeats, of_other.repeats, strict=True)
    )
