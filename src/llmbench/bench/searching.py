"""Searches for the most load within the SLO, trial by trial."""

from collections.abc import Callable, Sequence

from llmbench.bench.grid import TRIAL_S
from llmbench.cells import Arrivals, Cell, Shape, Users
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
SEARCH_S = 120.0
"""Within how many seconds a search ends if it can, unless its trials are longer than `TRIAL_S`."""
MOST_WATCHED = 5000
"""Requests of a trial beyond which nobody looks: it would take the client's time."""


class SearchError(RuntimeError):
    """A search can't go on, since a trial can't be trusted."""


def search_load(
    cell: Cell,
    trial: Callable[[Cell], CellResult],
    time_s: float | None = None,
    clock: Clock | None = None,
) -> Search:
    """The most load of `cell` within its SLO, from the load that it has on.

    `trial` measures a cell and may end as soon as its verdict is known. One that is INVALID is
    tried once more; `SearchError` tells where that does not help. Trials that only confirm the
    answer end when the next would be over later than `time_s` (None: what `time_of_search` says).
    """
    time_left = TimeLeft(time_of_search(cell.shape, time_s), clock or Clock())
    start = cell.shape.load
    assert start is not None
    is_rate = cell.shape.is_open_loop
    cells: list[str] = []
    searching = find_border(start, whole=not is_rate)
    load = next(searching)
    while True:
        loaded = cell.trial(load)
        result = _trusted(loaded, trial)
        cells.append(loaded.id)
        capacity = result.summary.requests_per_s if result.overloaded is not None else None
        try:
            load = searching.send(Trial(result.meets_slo, capacity, time_left.is_short()))
        except StopIteration as end:
            border: Border = end.value
            name = cell.id.removesuffix(cell.shape.suffix)
            name += "highest-rate" if is_rate else "most-users"
            unit: LoadUnit = "requests/s" if is_rate else "users"
            tried = tuple(cells)
            ends = border.met, border.missed
            return Search(name, unit, *ends, tried, border.confirmed, border.capacity)


def time_of_search(shape: Shape, asked_s: float | None) -> float | None:
    """The seconds for a search: what was asked for, else `SEARCH_S`; None for longer trials."""
    if asked_s is not None:
        return asked_s
    duration_s = shape.duration_s if isinstance(shape, Users | Arrivals) else None
    return SEARCH_S if duration_s is None or duration_s <= TRIAL_S else None


class TimeLeft:
    """Says, when a trial has ended, whether another as long as the longest would end too late."""

    def __init__(self, within_s: float | None, clock: Clock) -> None:
        self._within_s, self._clock = within_s, clock
        self._began_ns = self._last_ns = clock.monotonic_ns()
        self._longest_ns = 0

    def is_short(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        self._longest_ns = max(self._longest_ns, now_ns - self._last_ns)
        self._last_ns = now_ns
        ends_s = (now_ns - self._began_ns + self._longest_ns) / 1e9
        return self._within_s is not None and ends_s > self._within_s


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
