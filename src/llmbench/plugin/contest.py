"""A against B in one pytest session: measured at all cells together, judged once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from llmbench.cells import Cell
    from llmbench.plugin.fixtures import Bench
    from llmbench.plugin.options import Options
    from llmbench.results import CellResult
    from llmbench.store import RunDir
    from llmbench.verdict import Verdict


class Contest:
    """The cells of A that are to be compared with their twins of B."""

    def __init__(self, a: str, b: str, cells: Sequence[Cell], options: Options) -> None:
        self._a, self._b, self._options = a, b, options
        self._pairs = {
            cell.id.removeprefix(f"{a}-"): (cell, structs.replace(cell, model=b)) for cell in cells
        }
        self.verdict: Verdict | None = None  # once it has been measured

    def of(self, cell: Cell, bench: Bench, run: RunDir) -> Verdict:
        """The part of the verdict on one cell; the first call measures them all."""
        from llmbench.verdict import versus

        if self.verdict is None:
            self.verdict = versus(
                run,
                self._a,
                self._b,
                [*self._pairs],
                how=bench.alternate([*self._pairs.values()], self._settled),
                tolerance=self._options.tolerance,
                inconclusive=self._options.inconclusive,
            )
        return self.part(self.verdict, cell)

    def part(self, verdict: Verdict, cell: Cell) -> Verdict:
        """What a verdict on all of them says of one cell."""
        return verdict.of(cell.id.removeprefix(f"{self._a}-"))

    def _settled(self, results: Mapping[str, Sequence[CellResult]], share: float) -> bool:
        from llmbench.verdict import pairs_settled

        blocks = {point: (results[a.id], results[b.id]) for point, (a, b) in self._pairs.items()}
        seed, tolerance = self._options.settings.seed, self._options.tolerance
        return pairs_settled(blocks, share=share, seed=seed, tolerance=tolerance)
