"""The repeats that a run began, whether they ended or the run was killed before."""

from msgspec import Struct

from llmbench.records import CellRun
from llmbench.store import RunDir


class Begun(Struct, frozen=True):
    """One repeat of a cell. One that did not end says of its end that it is its start."""

    run: CellRun
    ended: bool


def begun(run_dir: RunDir) -> dict[str, list[Begun]]:
    """The repeats of each cell: cells that ended, in the order in which they ran, then others."""
    repeats = {(run.cell_id, run.repeat): Begun(run, True) for run in run_dir.cell_runs()}
    for start in run_dir.cell_starts():
        repeats.setdefault((start.cell_id, start.repeat), Begun(start, False))
    by_cell: dict[str, list[Begun]] = {}
    for repeat in repeats.values():
        by_cell.setdefault(repeat.run.cell_id, []).append(repeat)
    return {name: sorted(mine, key=lambda each: each.run.repeat) for name, mine in by_cell.items()}
