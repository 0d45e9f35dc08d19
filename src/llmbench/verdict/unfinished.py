"""Finds the cells that a killed run began and did not end."""

from collections.abc import Collection, Iterator

from msgspec import structs

from llmbench.records import CellRun
from llmbench.store import RunDir


def leftovers(run: RunDir, ended: Collection[tuple[str, int]]) -> Iterator[CellRun]:
    """Each repeat that was begun, according to the journal, and that is not among `ended`.

    It ends with its last record, if there is one.
    """
    for start in run.cell_starts():
        if (start.cell_id, start.repeat) not in ended:
            records = [r for r in run.requests(start.cell_id) if r.repeat == start.repeat]
            last_ns = max((record.done_ns for record in records), default=start.started_ns)
            yield structs.replace(start, ended_ns=last_ns)
