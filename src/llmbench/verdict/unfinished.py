"""Cells that a killed run began and did not end."""

from collections.abc import Collection, Iterator

from msgspec import structs

from llmbench.records import CellRun
from llmbench.store import RunDir


def leftovers(run: RunDir, ended: Collection[tuple[str, int]]) -> Iterator[CellRun]:
    """Each repeat that the journal says was begun and that is not among `ended`.

    Its end is its last record's, so far as there is one.
    """
    for start in run.cell_starts():
        if (start.cell_id, start.repeat) not in ended:
            records = [r for r in run.requests(start.cell_id) if r.repeat == start.repeat]
            last_ns = max((record.done_ns for record in records), default=start.started_ns)
            yield structs.replace(start, ended_ns=last_ns)
