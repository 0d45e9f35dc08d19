"""Searches for the most load that meets an SLO: which load to try next, when to stop, and when a
trial need not go on since its verdict can't change any more.

MLPerf finds the server scenario's queries/s by such a search; LLM-Inference-Bench's successor
finds its users by doubling and bisection.
"""

from collections.abc import Generator, Sequence
from math import sqrt
from statistics import fmean, median

import pandas as pd
from msgspec import Struct

from llmbench.cells import Arrivals, Shape, Users
from llmbench.config import Slo
from llmbench.metrics.overload import overload
from llmbench.metrics.slos import limit_counts, resolve
from llmbench.metrics.windows import Window, filling_ns
from llmbench.results import LimitCount

FACTOR = 2.0
"""By how much the load changes while no bound is known on one side."""
BELOW_CAPACITY = 0.95
"""An overloaded trial says about what the server can do: where no load met the SLO yet, the next is
this share of that."""
STEP = 1.1
NEAR = 1.2
"""An overloaded trial speaks of loads that are at most this factor below its own: a server that is
flooded may do less than it can. So the next load is above what the first told by this factor: it is
soon seen to be too much, and what the server does then is near the answer."""
BEYOND = 1.02
"""A load that is above what the server can do by this factor is not sustained: its trial was too
short to show that the queue grew."""
VOTES = 2
"""Trials that a bound of the answer rests on: one near the border may go either way by chance."""
MOST_VOTES = 5
ROUGH = 0.1
"""How near the ends of the answer must be where there is no time to try them again."""

SLACK = 1.2
"""How many more requests than expected a trial may still bring, as a factor."""
COLUMNS = ["scheduled_ns", "sent_ns", "done_ns", "error_kind", "worker"]


class Trial(Struct, frozen=True):
    """Whether a load met the SLO; what the server could do, where it was overloaded.

    After one that is `late` there is no time for trials that would only confirm the answer.
    """

    met: bool
    capacity: float | None = None
    late: bool = False


class Border(Struct, frozen=True):
    """The answer: the highest load that met the SLO, and the lowest above it that did not.

    ``None``: no load met it; none missed it within the trials. They are not `confirmed` where a
    late trial ended the search before they were tried again. Where the trials of `missed` met the
    SLO, and it is too much only by what the server could do when it was overloaded, `capacity` is
    that.
    """

    met: float | None
    missed: float | None
    trials: int
    confirmed: bool
    capacity: float | None = None


Search = Generator[float, Trial, Border]


def find_border(
    start: float, *, precision: float = 0.04, whole: bool = False, most_trials: int = 24
) -> Search:
    """Yield a load to try, receive how its trial went, and return the border of the SLO.

    Doubles or halves until both sides are known, then halves the interval geometrically until its
    ends are within `precision` of each other (neighbours, where the load is a `whole` number).
    Then both ends are tried again: each stands when `VOTES` trials more than not agree with it,
    or the majority of `MOST_VOTES`. When a trial was late, ends within `ROUGH` are the answer as
    they are. `ValueError` for a start that is not positive.
    """
    if start <= 0:
        raise ValueError(f"a search needs a load above 0 to start from, not {start}")
    votes = Votes(precision, whole=whole)
    load: float | None = votes.rounded(start)
    trials = 0
    while load is not None and trials < most_trials:
        trials += 1
        trial = yield load
        votes.add(load, trial)
        load = votes.next_load()
        if load is not None and trial.late and votes.are_near:
            return votes.border(trials, confirmed=False)
    return votes.border(trials, confirmed=True)


class Votes:
    """The trials so far, by load."""

    def __init__(self, precision: float, *, whole: bool) -> None:
        self._precision, self._whole = precision, whole
        self._balance: dict[float, int] = {}  # of trials that met the SLO and that missed it
        self._count: dict[float, int] = {}
        self._capacities: dict[float, list[float]] = {}  # by the load that was too much

    def add(self, load: float, trial: Trial) -> None:
        """An overloaded trial decides by itself: it is wrong in less than one of a hundred."""
        vote = 1 if trial.met else -1
        if trial.capacity is not None:
            self._capacities.setdefault(load, []).append(trial.capacity)
            vote = -VOTES
        self._balance[load] = self._balance.get(load, 0) + vote
        self._count[load] = self._count.get(load, 0) + 1

    @property
    def low(self) -> float | None:
        """The highest load that met the SLO."""
        return max((load for load in self._balance if self._is_met(load)), default=None)

    @property
    def high(self) -> float | None:
        """The lowest load above it that missed it."""
        low = self.low or 0.0
        missed = (load for load in self._balance if not self._is_met(load) and load > low)
        return min(missed, default=None)

    def border(self, trials: int, *, confirmed: bool) -> Border:
        """The answer by these trials."""
        low, high = self.low, self.high
        by_capacity = high is not None and self._balance[high] > 0
        capacity = self._capacity_near(high) if high is not None and by_capacity else None
        return Border(low, high, trials, confirmed, capacity)

    def next_load(self) -> float | None:
        """The load to try next; None when both ends of the answer stand."""
        tied = [load for load, votes in self._balance.items() if votes == 0]
        if tied:
            return tied[0]
        low, high = self.low, self.high
        if high is None:
            return self.rounded((low or 1.0) * FACTOR)
        if low is None:
            return self._lower(high)
        if self._is_narrow(low, high, self._precision):
            return next((load for load in (low, high) if not self._stands(load)), None)
        return self._between(low, high)

    @property
    def are_near(self) -> bool:
        """Whether both ends are known, within `ROUGH` of each other (or neighbours)."""
        low, high = self.low, self.high
        return low is not None and high is not None and self._is_narrow(low, high, ROUGH)

    def rounded(self, load: float) -> float:
        """To three digits, as a cell's id has them, or to a whole number."""
        return float(max(1, round(load))) if self._whole else float(f"{load:.3g}")

    def _lower(self, high: float) -> float | None:
        capacity = BELOW_CAPACITY * (self._capacity(high) or 0.0)
        load = self.rounded(capacity if 0 < capacity < high / STEP else high / FACTOR)
        return load if load < high else None

    def _between(self, low: float, high: float) -> float:
        middle = self.rounded(sqrt(low * high))
        capacity = self._capacity(high)
        if capacity is not None and high > low * STEP:
            above = NEAR * capacity
            likely = above if high > above * STEP else capacity
            near = self.rounded(max(likely, low * STEP))
            middle = near if near < high else middle
        return min(max(middle, low + 1), high - 1) if self._whole else middle

    def _capacity(self, below: float) -> float | None:
        known = [c for told in self._capacities.values() for c in told if c < below]
        return median(known) if known else None

    def _is_met(self, load: float) -> bool:
        return self._balance[load] > 0 and not self._is_beyond(load)

    def _is_beyond(self, load: float) -> bool:
        """Whether overloaded trials of loads near this one show that it is too much."""
        capacity = self._capacity_near(load)
        return capacity is not None and load > BEYOND * capacity

    def _capacity_near(self, load: float) -> float | None:
        near = [c for tried, told in self._capacities.items() if tried <= load * NEAR for c in told]
        return fmean(near) if near else None

    def _is_narrow(self, low: float, high: float, precision: float) -> bool:
        return high / low <= 1 + precision or (self._whole and high - low <= 1)

    def _stands(self, load: float) -> bool:
        votes, count = self._balance[load], self._count[load]
        return abs(votes) >= VOTES or count >= MOST_VOTES or self._is_beyond(load)


def is_overloaded(
    so_far: pd.DataFrame, waiting_ns: Sequence[int], now_ns: int, shape: Shape
) -> bool:
    """Whether the queue of an open loop has grown up to `now_ns`.

    `so_far` are the requests that have ended, `waiting_ns` the deadlines of those in flight.
    """
    waiting = pd.DataFrame({"scheduled_ns": waiting_ns, "sent_ns": waiting_ns})
    waiting = waiting.assign(done_ns=now_ns, error_kind="cancelled", worker=0)
    asked = pd.concat([so_far[COLUMNS], waiting]) if waiting_ns else so_far[COLUMNS]
    found = overload(asked.reset_index(drop=True), shape)
    return found is not None and found[0].grows


def lost_limit(so_far: pd.DataFrame, now_ns: int, shape: Shape, slo: Slo) -> str | None:
    """The limit of the SLO that is missed whatever the rest of the trial brings; None: none yet.

    More requests are above it already than the percentile allows of all that the trial will have.
    """
    if so_far.empty:
        return None
    start_ns = int(so_far["scheduled_ns"].min())
    if shape.is_open_loop:
        start_ns += filling_ns(so_far)
    if now_ns <= start_ns:
        return None
    window = Window(start_ns, now_ns, "steady")
    for count in limit_counts(so_far, 0, window, resolve(slo), shape):
        total = _total(count.samples, window, shape)
        allowed = (1 - float(count.percentile[1:]) / 100) * total + 1
        if count.over > allowed:
            return _message(count, allowed)
    return None


def _total(samples: int, window: Window, shape: Shape) -> float:
    """How many requests the trial will have at most."""
    if isinstance(shape, Users) and shape.requests_per_user is not None:
        return shape.users * shape.requests_per_user
    if isinstance(shape, Arrivals) and shape.requests is not None:
        return shape.requests
    duration_s = shape.duration_s if isinstance(shape, Users | Arrivals) else None
    if duration_s is None:
        return float("inf")
    return max(samples, SLACK * samples * duration_s / window.seconds)


def _message(count: LimitCount, allowed: float) -> str:
    return (
        f"{count.over} requests are above the {count.metric} limit of {count.limit_ms:g} ms "
        f"already, and its {count.percentile} allows {int(allowed)}"
    )
