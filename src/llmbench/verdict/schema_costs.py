"""What it costs to constrain answers to a JSON schema: time per token against free answers."""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct, structs

from llmbench.cells import Cell
from llmbench.results import CellResult
from llmbench.verdict.gate.statistics import Array, exact_interval, hodges_lehmann

CONFIDENCE = 0.95


class SchemaCost(Struct, frozen=True):
    """Time per token with a schema / without, from the medians of the valid repeats of both.

    `low` and `high` are the ends of the exact interval of the ratio, which holds with `confidence`:
    that is less than 95 % below four repeats of each.
    """

    cell: Cell
    ratio: float
    low: float
    high: float
    confidence: float
    repeats: int  # of the one with fewer
    conforming_share: float | None


def schema_costs(results: Sequence[CellResult]) -> Iterator[SchemaCost]:
    """The cost of each schema, for each cell that was measured without one, too."""
    by_cell: dict[Cell, list[CellResult]] = {}
    for result in results:
        by_cell.setdefault(result.summary.cell, []).append(result)
    free = {structs.replace(c, schema=None): c for c in by_cell if c.schema and not c.schema.text}
    for cell, of_cell in by_cell.items():
        twin = free.get(structs.replace(cell, schema=None))
        if twin is None or twin == cell:
            continue
        without, constrained = _logs(by_cell[twin]), _logs(of_cell)
        if without.size and constrained.size:
            low, high, confidence = exact_interval(without, constrained, CONFIDENCE)
            middle = hodges_lehmann(without, constrained)
            shares = [r.summary.conforming_share for r in of_cell]
            known = [share for share in shares if share is not None]
            share = float(np.mean(known)) if known else None
            fewest = min(without.size, constrained.size)
            yield SchemaCost(
                cell,
                ratio=float(np.exp(middle)),
                low=float(np.exp(low)),
                high=float(np.exp(high)),
                confidence=confidence,
                repeats=fewest,
                conforming_share=share,
            )


def _logs(results: Sequence[CellResult]) -> Array:
    """The logarithms of the median time per token of each valid repeat that knows it."""
    times = [r.summary.time_per_token_ms for r in results if r.valid]
    return np.log([time.p50 for time in times if time is not None and time.p50 > 0])
