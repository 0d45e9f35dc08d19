"""Fits a twin to a run, and finds out how far it can be believed."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs

from llmbench.config import ConfigError
from llmbench.store import RunDir
from llmbench.twin.cell_figures import Array
from llmbench.twin.cost_fit import (
    LLAMA_CPP,
    CostFit,
    Told,
    find,
    fit,
    fit_costs,
    left_out,
    play_all,
    reweighed,
)
from llmbench.twin.observed import Observation, ObservedCells, observed
from llmbench.twin.playing import TwinEngine
from llmbench.twin.step_shape import tell_a_curve, with_exponent, with_shape
from llmbench.twin.twin_file import FittedRange, Twin
from llmbench.value_types import EngineSteps

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


class RunFit(Struct, frozen=True):
    """A twin, the intervals of its costs (`COSTS` × low, high), and the errors on held-out cells.

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


def fit_run(run: RunDir, *, model: str | None = None, told: Told | None = None) -> RunFit:
    """Fit a twin to a run; `ConfigError` says which cells are missing where it has too little."""
    seen = observed(run, model)
    check_enough(seen.cells, str(run.path))
    return fit_observed(seen, run.path.name, told or Told())


def fit_observed(seen: ObservedCells, run_name: str, told: Told) -> RunFit:
    """Fit a twin to what was observed, which is enough."""
    fitted = _fitted(seen, told)
    cells = reweighed(seen.cells, fitted)
    played = play_all(cells, fitted.engine)
    fitted = fit_costs(cells, played, fitted.engine, fitted.costs)
    costs, errors = left_out(cells, fitted)
    ids = tuple(cell.cell_id for cell in cells)
    about = [cell.repeats - one.each(fitted.costs) for cell, one in zip(cells, played, strict=True)]
    return RunFit(
        _twin(run_name, seen, fitted, costs, _scatter(about, fitted)),
        seen,
        _intervals(fitted.costs, costs),
        fitted.at_bound,
        seen.steps is None,
        HeldOut(ids, errors),
        _highest_load(cells, fitted.engine, seen.steps),
        _repeats(ids, about),
    )


def _fitted(seen: ObservedCells, told: Told) -> CostFit:
    """The fit of all cells, to an engine whose limits are told, or else to that which fits best."""
    if seen.steps is not None:
        return with_shape(seen.cells, fit(seen.cells, [TwinEngine(seen.steps)]))
    told = structs.replace(told, slots=told.slots or seen.slots)
    if seen.is_llama_cpp:
        told = structs.replace(
            told,
            policy=told.policy or LLAMA_CPP.policy,
            token_budget=told.token_budget or LLAMA_CPP.token_budget,
        )
    return with_shape(seen.cells, find(seen.cells, told))


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
    costs: Array,
    scatter: tuple[float, float, float],
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
        leave_one_out=tuple(tuple(map(float, row)) for row in costs),  # type: ignore[misc]
    )


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


def _scatter(about: Sequence[Array], fitted: CostFit) -> tuple[float, float, float]:
    """The standard deviation of a repeat's figures about the fit, less what the costs explain."""
    spare = 1 - fitted.found / fitted.residuals.size
    ttft, per_token, rate = np.sqrt((np.vstack(about) ** 2).mean(axis=0) / spare)
    return float(ttft), float(per_token), float(rate)


def _repeats(ids: tuple[str, ...], about: Sequence[Array]) -> HeldOut | None:
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


def _intervals(costs: Array, without: Array) -> Array:
    half = quantile(len(without)) * spread(without)
    return np.stack((np.maximum(costs - half, 0.0), costs + half), axis=1)


def _highest_load(
    cells: Sequence[Observation], engine: TwinEngine, told: EngineSteps | None
) -> HeldOut | None:
    """The errors on the cells with the most users, of a fit to the others.

    It knows no curve that only those cells tell, unless that was `told`.
    """
    most = max(cell.load.users for cell in cells)
    rest = [cell for cell in cells if cell.load.users < most]
    highest = [cell for cell in cells if cell.load.users == most]
    if len({cell.load.users for cell in rest}) < 2 or len(rest) < LEAST_CELLS - 1:
        return None
    if not tell_a_curve(rest, engine):
        engine = with_exponent(engine, 1.0 if told is None else told.sequence_exponent)
    fitted = fit_costs(rest, play_all(rest, engine), engine)
    played = play_all(highest, engine)
    errors = [cell.logs - one.logs(fitted.costs) for cell, one in zip(highest, played, strict=True)]
    return HeldOut(tuple(cell.cell_id for cell in highest), np.array(errors))
