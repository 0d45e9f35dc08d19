"""A step as vectors: the costs that a fit finds, and how much of each of them the step has."""

import numpy as np
from msgspec import structs

from llmbench.twin.cell_figures import Array
from llmbench.value_types import EngineSteps

_LINE, _TOKENS = ("base_ms", "ms_per_sequence"), ("ms_per_context_token", "ms_per_prompt_token")
"""Fields of `EngineSteps` that a fit finds: α and β, or `batch_times_ms` in place of them; γ, δ."""

ANY_STEP_MS = 10.0
"""How long every step lasts while a cell is played: anything longer than `BETWEEN_MS`."""


def costs_of(steps: EngineSteps) -> Array:
    """The costs of an engine: α and β, or its batch times; then γ and δ."""
    line = [getattr(steps, name) for name in _LINE]
    batches = [time_ms for _, time_ms in steps.batch_times_ms] or line
    return np.array(batches + [getattr(steps, name) for name in _TOKENS], dtype=np.float64)


def with_costs(steps: EngineSteps, costs: Array) -> EngineSteps:
    """The same engine with other costs, in the order of `costs_of`."""
    *batches, context, prompt = map(float, costs)
    found = dict(zip(_TOKENS, (context, prompt), strict=True))
    numbers = [sequences for sequences, _ in steps.batch_times_ms]
    if not numbers:
        return structs.replace(steps, **found, **dict(zip(_LINE, batches, strict=True)))
    times = tuple(zip(numbers, batches, strict=True))
    return structs.replace(steps, **found, batch_times_ms=times)


def with_batches(steps: EngineSteps, batches: tuple[int, ...]) -> EngineSteps:
    """The same limits, with a time for each of these numbers of sequences, or none for a line.

    The costs are any: they are yet to be found.
    """
    times = tuple((sequences, ANY_STEP_MS) for sequences in batches)
    base_ms = 0.0 if batches else ANY_STEP_MS
    return structs.replace(steps, base_ms=base_ms, ms_per_sequence=0.0, batch_times_ms=times)


def amounts(work: Array, batches: tuple[int, ...]) -> Array:
    """How much of each cost a step has (`costs_of`), and its idle time: steps × costs + 1.

    Batch times are those of `EngineSteps.batch_ms`.
    """
    sequences, context, prompt, idle = work.T
    works = sequences > 0
    if not batches:
        return np.column_stack((works, sequences, context, prompt, idle)).astype(np.float64)
    shares = [works * np.interp(sequences, batches, unit) for unit in np.eye(len(batches))]
    beyond = np.maximum(sequences - batches[-1], 0)
    return np.column_stack((*shares, context, prompt + beyond, idle))
