"""Fits a twin to a run, and finds out how far it can be believed."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs

from llmbench.config import ConfigError
from llmbench.store import RunDir
from llmbench.twin.cell_figures import Array
from llmbench.twin.fitting.cost_fit import CostFit, fit_costs, play_all, reweighed
from llmbench.twin.fitting.engine_search import LLAMA_CPP, Told, find, fit
from llmbench.twin.fitting.held_out import (
    LEAST_CELLS,
    CellsLeftOut,
    HeldOut,
    highest_load,
    intervals,
    left_out,
    repeats_held_out,
)
from llmbench.twin.fitting.observed import Observation, ObservedCells, named, observed
from llmbench.twin.fitting.scattering import by_users
from llmbench.twin.playing import TwinEngine
from llmbench.twin.twin_file import FittedRange, Twin


class RunFit(Struct, frozen=True):
    """A twin, the intervals of its costs (costs × low, high), and the errors on held-out cells.

    The intervals are those of the jackknife that leaves one cell out at a time. `highest_load` is
    None where the run has too few numbers of users.
    """

    twin: Twin
    observed: ObservedCells
    intervals: Array
    at_bound: tuple[bool, ...]  # the costs that would be less if they could
    limits_found: bool
    one_out: HeldOut
    highest_load: HeldOut | None
    repeats: HeldOut | None = None  # one repeat, foretold by the others of its cell


def fit_run(*runs: RunDir, model: str | None = None, told: Told | None = None) -> RunFit:
    """Fit a twin to a run, or to several of one server.

    `ConfigError` says which cells are missing where they have too little.
    """
    seen = observed(runs, model)
    check_enough(seen.cells, named(runs))
    return fit_observed(seen, " and ".join(run.path.name for run in runs), told or Told())


def fit_observed(seen: ObservedCells, run_name: str, told: Told) -> RunFit:
    """Fit a twin to what was observed, which is enough."""
    fitted = _fitted(seen, told)
    played = play_all(seen.cells, fitted.engine)
    cells = reweighed(seen.cells, played, fitted)
    fitted = fit_costs(cells, played, fitted.engine, fitted.costs)
    without = left_out(cells, played, fitted)
    about = [cell.repeats - one.each(fitted.costs) for cell, one in zip(cells, played, strict=True)]
    return RunFit(
        _twin(run_name, seen, fitted, without, _scatter(cells, about, fitted)),
        seen,
        intervals(fitted.costs, without.costs),
        fitted.at_bound,
        seen.steps is None,
        without.errors,
        highest_load(cells, played, fitted.engine),
        repeats_held_out(without.errors.cell_ids, about),
    )


def _fitted(seen: ObservedCells, told: Told) -> CostFit:
    """The fit of all cells, to an engine whose limits are told, or else to that which fits best."""
    if seen.steps is not None:
        return fit(seen.cells, [TwinEngine(seen.steps)])
    told = structs.replace(told, slots=told.slots or seen.slots)
    if seen.is_llama_cpp:
        told = structs.replace(
            told,
            policy=told.policy or LLAMA_CPP.policy,
            token_budget=told.token_budget or LLAMA_CPP.token_budget,
        )
    return find(seen.cells, told)


def check_enough(cells: Sequence[Observation], where: str) -> None:
    """Refuse a fit that the cells can't carry, and say which to add."""
    users = sorted({cell.load.users for cell in cells})
    lengths = sorted({cell.load.input_tokens for cell in cells})
    add = []
    if len(users) < 2:
        most = max(users, default=1)
        add.append(f"--llm-users {','.join(str(most * n) for n in (1, 2, 4))}")
    if not lengths or lengths[-1] < 2 * lengths[0]:
        most = max(lengths, default=32)
        add.append(f"--llm-input-tokens {most},{4 * most}")
    if not add and len(cells) < LEAST_CELLS:
        add.append(f"--llm-users {','.join(map(str, (*users, 2 * users[-1], 4 * users[-1])))}")
    if add:
        raise ConfigError(
            f"{where}: {len(cells)} valid closed-loop cells whose answers have several tokens are "
            f"too few to fit the four costs of a step and to hold cells out: that takes "
            f"{LEAST_CELLS}, of two numbers of users and two input lengths; add {' '.join(add)}"
        )


def _twin(
    run_name: str,
    seen: ObservedCells,
    fitted: CostFit,
    without: CellsLeftOut,
    scatter: tuple[tuple[int, float, float, float], ...],
) -> Twin:
    loads = [load for cell in seen.cells for load in cell.loads]
    return Twin(
        name=seen.name,
        run=run_name,
        simulated=seen.simulated,
        in_turn=fitted.engine.in_turn,
        range=FittedRange(
            users=_ends([load.users for load in loads]),
            input_tokens=_ends([load.input_tokens for load in loads]),
            output_tokens=_ends([load.output_tokens for load in loads]),
        ),
        steps=fitted.engine.steps,
        scatter=scatter,
        leave_one_out=tuple(tuple(map(float, row)) for row in without.costs),
    )


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


def _scatter(
    cells: Sequence[Observation], about: Sequence[Array], fitted: CostFit
) -> tuple[tuple[int, float, float, float], ...]:
    """How far a repeat's figures lie about the fit, for each number of users.

    The costs that were found explain some of it, which is added.
    """
    users = [cell.load.users for cell in cells]
    scatter = by_users(users, about, [len(repeats) for repeats in about])
    spare = 1 - len(fitted.costs) / fitted.residuals.size
    return tuple((n, *map(float, one / np.sqrt(spare))) for n, one in scatter.items())  # type: ignore[misc]
