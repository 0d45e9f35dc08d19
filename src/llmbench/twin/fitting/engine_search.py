"""Finds the engine's limits, and with them its costs, with which it shows what was measured."""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
from msgspec import Struct, structs

from llmbench.twin.fitting.cost_fit import CostFit, best, is_exact, play_all
from llmbench.twin.fitting.observed import Observation
from llmbench.twin.fitting.step_shape import fit_shape, of_shape
from llmbench.twin.playing import GATHER_MS, HAND_OVER_MS, PlayedDraws, TwinEngine
from llmbench.value_types import EngineSteps

BUDGETS = (2048, 512, 8192)
"""Token budgets that are tried where none is told, llama.cpp's and older and newer vLLMs' own."""

SEARCH_DRAWS = 4
"""How often a repeat is played where engines are compared, of which there are many."""

WAITS = (3, 5, 8)
"""For how many hand-overs an idle engine may wait for requests that come in turn."""

Policy = Literal["mixed", "prefill-first"]


class Told(Struct, frozen=True):
    """What is known of an engine's limits and policy; ``None`` is to be found."""

    slots: int | None = None
    token_budget: int | None = None
    policy: Policy | None = None


LLAMA_CPP = Told(policy="mixed", token_budget=2048)
"""What llama.cpp's server does unless it is told otherwise (`--batch-size`)."""


def find(cells: Sequence[Observation], told: Told) -> CostFit:
    """The best fit among all engines: first their limits, then for how long they wait.

    Requests come at one moment where that explains all but nothing of what was measured.
    """
    steps = candidates(cells, told)
    together = [TwinEngine(structs.replace(one, gather_ms=GATHER_MS)) for one in steps]
    at_once = fits_of(cells, [*together, *map(TwinEngine, steps)])
    fitted = best(at_once)
    if is_exact(fitted):
        return fitted
    fitted = best([*at_once, *fits_of(cells, [waiting(one, WAITS[0]) for one in steps])])
    if not fitted.engine.in_turn:
        return fitted
    return fit(cells, [waiting(fitted.engine.steps, hand_overs) for hand_overs in WAITS])


def waiting(steps: EngineSteps, hand_overs: int) -> TwinEngine:
    """An engine to which requests come in turn, and which waits for so many while it is idle."""
    gather_ms = HAND_OVER_MS * hand_overs
    return TwinEngine(structs.replace(steps, gather_ms=gather_ms), in_turn=True)


def fit(cells: Sequence[Observation], engines: Sequence[TwinEngine]) -> CostFit:
    """The best fit among engines of several limits; the first unless another is clearly better."""
    return best(fits_of(cells, engines))


def fits_of(cells: Sequence[Observation], engines: Sequence[TwinEngine]) -> list[CostFit]:
    """A fit for each of the engines; those that did the same in all cells count once."""
    fits, seen = list[CostFit](), list[list[PlayedDraws]]()
    for engine in (of_shape(one, ()) for one in engines):
        played = play_all(cells, engine, SEARCH_DRAWS)
        if not any(_same(played, other) for other in seen):
            seen.append(played)
            fits.append(fit_shape(cells, played, engine))
    return fits


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
