"""Searches for the most load within the SLO, trial by trial."""

from collections.abc import Callable, Sequence

from llmbench.cells import Cell
from llmbench.clock import Clock
from llmbench.config import Slo
from llmbench.load import due_ns
from llmbench.metrics import Border, Trial, find_border, is_overloaded, lost_limit, table
from llmbench.records import RequestRecord
from llmbench.results import CellResult, LoadUnit, Search
from llmbench.store import RunDir
from llmbench.traffic import Mix

LOOKS = 3
"""Times in a row, a second apart, that a queue must be seen to grow before its trial ends."""
MOST_WATCHED = 5000
"""Requests of a trial beyond which nobody looks: it would take the client's time."""


class SearchError(RuntimeError):
    """A search can't go on, since a trial can't be trusted."""


def search_load(cell: Cell, trial: Callable[[Cell], CellResult]) -> Search:
    """The most load of `cell` within its SLO, from the load that it has on.

    `trial` measures a cell and may end as soon as its verdict is known. One that is INVALID is
    tried once more; `SearchError` tells where that does not help.
    """
    start = cell.shape.load
    assert start is not None
    is_rate = cell.shape.is_open_loop
    cells: list[str] = []
    searching = find_border(start, whole=not is_rate)
    load = next(searching)
    while True:
        tried = cell.trial(load)
        result = _trusted(tried, trial)
        cells.append(tried.id)
        capacity = result.summary.requests_per_s if result.overloaded is not None else None
        try:
            load = searching.send(Trial(result.meets_slo, capacity))
        except StopIteration as end:
            border: Border = end.value
            name = cell.id.removesuffix(cell.shape.suffix)
            name += "highest-rate" if is_rate else "most-users"
            unit: LoadUnit = "requests/s" if is_rate else "users"
            return Search(name, unit, border.met, border.missed, tuple(cells))


def _trusted(cell: Cell, trial: Callable[[Cell], CellResult]) -> CellResult:
    result = trial(cell)
    if not result.valid:
        result = trial(cell)
    if not result.valid:
        raise SearchError(
            f"{cell.id} was INVALID twice, so nobody knows whether it meets the SLO: {result.why}"
        )
    return result


class TrialWatch:
    """Says why a trial need not go on; it is asked about once a second while the load runs."""

    def __init__(self, run: RunDir, cell: Cell, repeat: int, slo: Slo, seed: int) -> None:
        self._run, self._cell, self._repeat = run, cell, repeat
        # each class of a mix has limits of its own, which are looked at in the end
        self._slo = Slo() if isinstance(cell.traffic, Mix) else slo
        self._seed = seed
        self._looks = 0
        self._clock = Clock()

    def __call__(self) -> str | None:
        ended = [r for r in self._run.requests(self._cell.id) if r.repeat == self._repeat]
        measured = [record for record in ended if record.phase == "measured"]
        if not measured or len(measured) > MOST_WATCHED:
            return None
        judged = [record for record in measured if record.error_kind != "hung_up"]
        now_ns = self._clock.unix_ns()
        lost = lost_limit(table(judged), now_ns, self._cell.shape, self._slo)
        if lost is not None or not self._cell.shape.is_open_loop:
            return lost
        arrived = [record for record in measured if (record.turn or 1) == 1]
        if not arrived:
            return None
        waiting_ns = self._waiting_ns(arrived, now_ns)
        grows = is_overloaded(table(arrived), waiting_ns, now_ns, self._cell.shape)
        self._looks = self._looks + 1 if grows else 0
        return "the server is overloaded: its queue grows" if self._looks >= LOOKS else None

    def _waiting_ns(self, ended: Sequence[RequestRecord], now_ns: int) -> list[int]:
        """The deadlines of the requests that are in flight, by the plan."""
        known = {record.request: record.scheduled_ns for record in ended}
        planned = due_ns(self._cell, known, seed=self._seed, repeat=self._repeat)
        return [at for request, at in planned.items() if at < now_ns and request not in known]
