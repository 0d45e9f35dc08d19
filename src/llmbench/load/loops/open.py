"""The open loop, in which requests start at their own times, whatever became of the others."""

import asyncio
import sys
from collections.abc import Sequence
from itertools import islice
from time import monotonic_ns

from llmbench.load.loops.aborting import guarded
from llmbench.load.loops.dispatcher import Dispatcher
from llmbench.load.loops.lane import Lane
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.shapes import FIRST, Arrival, OpenPlan
from llmbench.load.plan.talks import Talk
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.stamps import ended_ns

EARLY_S = 0.0015
"""The event loop's timer is exact to about a millisecond; the rest of a wait is spent in short
turns, between which data is read."""
SPARE_LANES = 8  # connections that are open when the load begins, as the first requests need some
OPEN_AHEAD_S = 0.25
"""The time before a deadline at which its connection is opened.

It allows for some round trips of TLS to another continent, and is less than most servers keep an
idle connection.
"""


class Filling:
    """Measures how long an empty server takes to fill up: the longest of the first latencies."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self._first = {arrival.ordinal + 1 for arrival in arrivals[:FIRST]}  # request numbers
        self._under_way = 0
        self._longest_s = 0.0

    @property
    def longest_s(self) -> float | None:
        """The longest latency; None while any of the first requests is under way."""
        return None if self._under_way else self._longest_s

    def began(self, planned: PlannedRequest) -> None:
        self._under_way += planned.request in self._first

    def ended(self, planned: PlannedRequest, latency_s: float) -> None:
        if planned.request in self._first:
            self._under_way -= 1
            self._longest_s = max(self._longest_s, latency_s)


class OpenLoop:
    """Runs an `OpenPlan` on a pool of lanes, some of whose connections are opened ahead.

    The idle lane that was used last is taken first, as the server may close the others. These are
    opened again before they are needed, outside of any request's time.
    """

    def __init__(self, dispatcher: Dispatcher, plan: OpenPlan) -> None:
        self.step_ends_ns: list[tuple[int, int]] = []
        self._dispatcher, self._plan = dispatcher, plan
        self._loop = asyncio.get_running_loop()
        self._idle: list[Lane] = []  # open, unless the server has closed them meanwhile
        self._closed: list[Lane] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._next = 0
        self._filling = Filling(plan.arrivals)
        self._begin_ns = sys.maxsize  # until `run` gets the real one
        self._upcoming: PlannedRequest | None = None
        self._over = asyncio.Event()  # nothing arrives any more
        self._talks = 0  # conversations under way
        self._thinking: dict[Talk, asyncio.TimerHandle] = {}
        self._all_said = asyncio.Event()
        dispatcher.on_stop = self._stop

    @property
    def total(self) -> int | None:
        """The number of requests in this share, if the plan says so."""
        if self._plan.duration_s is not None or self._plan.converses:
            return None
        return len(self._plan.arrivals) + self._plan.warmup

    async def prepare(self) -> None:
        """Open connections ahead, send the warm-up and wait for it."""
        spare = min(SPARE_LANES, self._plan.max_in_flight)
        self._idle.extend(self._new_lane() for _ in range(spare))
        await self._dispatcher.open_lanes(self._idle)
        for number in range(self._plan.warmup):
            planned = self._dispatcher.maker.make(
                self._plan.total + number, user=0, request=number + 1, phase="warmup"
            )
            self._dispatcher.go(self._take_lane(), planned, monotonic_ns())
        await self._dispatcher.drained()
        self._make_ahead()

    async def run(self, begin_ns: int) -> None:
        """Send every request at its deadline, then wait for the last answer."""
        self._dispatcher.more_to_come = lambda: not self._over.is_set() or bool(self._thinking)
        self._begin_ns = begin_ns
        self._begin = self._loop.time() + (begin_ns - monotonic_ns()) / 1e9
        self._await_next()
        try:
            await self._over.wait()
            while self._talks:
                self._all_said.clear()
                await self._all_said.wait()
            await self._dispatcher.drained()
        finally:
            for task in self._opening:
                task.cancel()

    def _await_next(self) -> None:
        if not self._is_next_wanted():
            self._over.set()
            return
        at = self._begin + self._plan.arrivals[self._next].at_s
        self._loop.call_at(at - OPEN_AHEAD_S, self._open_ahead)
        self._loop.call_at(at - EARLY_S, self._turn)

    def _turn(self) -> None:
        """Send what is due, and wait for the next deadline in turns or with a timer."""
        while self._is_next_wanted():
            arrival = self._plan.arrivals[self._next]
            left_s = (self._begin_ns - monotonic_ns()) / 1e9 + arrival.at_s
            if left_s > EARLY_S:
                break
            if left_s > 0:
                self._loop.call_soon(self._turn)
                return
            self._next += 1
            self._arrive(arrival)
        self._await_next()

    def _is_next_wanted(self) -> bool:
        """Whether the next arrival is still to be sent, as far as is known by now."""
        if self._next >= len(self._plan.arrivals) or self._dispatcher.stopping is not None:
            return False
        duration_s, longest_s = self._plan.duration_s, self._filling.longest_s
        if duration_s is None or longest_s is None:
            return True
        return self._plan.arrivals[self._next].at_s < duration_s + longest_s

    def _arrive(self, arrival: Arrival) -> None:
        planned = self._upcoming or self._make(arrival)
        self._upcoming = None
        scheduled_ns = self._begin_ns + round(arrival.at_s * 1e9)
        limit = self._plan.max_in_flight
        if self._dispatcher.counts.in_flight >= limit:
            self._dispatcher.drop(planned, scheduled_ns, f"{limit} requests were in flight")
        else:
            self._filling.began(planned)
            self._talks += planned.talk is not None
            self._dispatcher.go(self._take_lane(), planned, scheduled_ns)
        self._dispatcher.later(self._make_ahead)

    def _take_lane(self) -> Lane:
        """A free lane, an open one if there is any."""
        while self._idle:
            lane = self._idle.pop()
            if lane.is_open:
                return lane
            self._closed.append(lane)
        return self._closed.pop() if self._closed else self._new_lane()

    def _new_lane(self) -> Lane:
        lane = self._dispatcher.lane(self._finished)
        lane.on_idle_end = self._open_ahead
        return lane

    def _open_ahead(self) -> None:
        """Make sure that as many connections are open, or opening, as requests are due soon."""
        wanted = max(0, self._due_soon() - len(self._opening))
        are_open = (lane for lane in reversed(self._idle) if lane.is_open)
        if len(list(islice(are_open, wanted))) >= wanted or self._dispatcher.stopping is not None:
            return
        self._closed += [lane for lane in self._idle if not lane.is_open]
        self._idle = [lane for lane in self._idle if lane.is_open]
        for _ in range(wanted - len(self._idle)):
            if not self._closed and len(self._dispatcher.lanes) >= self._plan.max_in_flight:
                return
            lane = self._closed.pop() if self._closed else self._new_lane()
            task = guarded(self._loop.create_task(self._open(lane)))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _due_soon(self) -> int:
        """The number of requests that are due until `OPEN_AHEAD_S` after the next look.

        It is bounded by the lanes for them: those that the server closed, and a few more.
        """
        soon_s = (monotonic_ns() - self._begin_ns) / 1e9 + 2 * OPEN_AHEAD_S
        most = SPARE_LANES + len(self._closed)
        upcoming = self._plan.arrivals[self._next : self._next + most]
        return sum(arrival.at_s < soon_s for arrival in upcoming)

    async def _open(self, lane: Lane) -> None:
        await lane.open()
        if lane.is_open:
            self._idle.insert(0, lane)
        else:
            self._closed.append(lane)

    def _finished(self, lane: Lane, planned: PlannedRequest, exchange: Exchange) -> None:
        self._idle.append(lane)
        if planned.phase == "measured":
            self._filling.ended(planned, (ended_ns(exchange) - exchange.scheduled_ns) / 1e9)
            if planned.talk is not None:
                self._converse(planned.talk, ended_ns(exchange))

    def _converse(self, talk: Talk, since_ns: int) -> None:
        """Go on with a conversation once its user has thought; not after a measured duration."""
        timed_out = self._over.is_set() and self._plan.duration_s is not None
        if talk.end is not None or timed_out or self._dispatcher.stopping is not None:
            self._end_talk()
            return
        number = talk.ordinal + 1 + (talk.turn - 1) * self._plan.total  # as no other has
        planned = talk.speaker.next_turn(talk, user=0, request=number)
        due_ns = since_ns + (planned.think_ns or 0)
        wait_s = max(0.0, (due_ns - monotonic_ns()) / 1e9)
        self._thinking[talk] = self._loop.call_later(wait_s, self._say, talk, planned, due_ns)

    def _say(self, talk: Talk, planned: PlannedRequest, due_ns: int) -> None:
        """Send the next turn of a conversation, unless too much is under way."""
        del self._thinking[talk]
        limit = self._plan.max_in_flight
        if self._dispatcher.counts.in_flight >= limit:
            self._dispatcher.drop(planned, due_ns, f"{limit} requests were in flight")
            self._end_talk()
        else:
            self._dispatcher.go(self._take_lane(), planned, due_ns)

    def _end_talk(self) -> None:
        self._talks -= 1
        if not self._talks:
            self._all_said.set()

    def _stop(self) -> None:
        """Let nothing arrive any more, and nobody think any longer."""
        while self._thinking:
            self._thinking.popitem()[1].cancel()
            self._end_talk()
        self._over.set()

    def _make_ahead(self) -> None:
        if self._upcoming is None and self._next < len(self._plan.arrivals):
            self._upcoming = self._make(self._plan.arrivals[self._next])

    def _make(self, arrival: Arrival) -> PlannedRequest:
        return self._dispatcher.maker.make(
            arrival.ordinal,
            user=0,
            request=arrival.ordinal + 1,
            phase="measured",
            lengths=arrival.lengths,
        )
