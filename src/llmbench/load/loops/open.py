"""The open loop: requests start at their own time, whatever became of the others."""

import asyncio
from collections import deque
from time import monotonic_ns

from llmbench.load.decoding import PlannedRequest
from llmbench.load.loops.aborting import told
from llmbench.load.loops.dispatcher import Dispatcher
from llmbench.load.loops.lane import Lane
from llmbench.load.plan.shapes import Arrival, OpenPlan
from llmbench.load.wire.exchange import Exchange

EARLY_S = 0.0015
"""The event loop's timer is good to about a millisecond; the rest is waited for in short turns
that leave reads their place."""
SPARE_LANES = 8


class OpenLoop:
    """Runs an `OpenPlan` on a pool of lanes that keeps some connections open ahead."""

    def __init__(self, dispatcher: Dispatcher, plan: OpenPlan) -> None:
        self.step_ends_ns: list[tuple[int, int]] = []
        self._dispatcher, self._plan = dispatcher, plan
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Lane] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._next = 0
        self._upcoming: PlannedRequest | None = None
        self._warm = asyncio.Event()
        self._over = asyncio.Event()
        dispatcher.on_stop = self._over.set

    @property
    def total(self) -> int | None:
        """Requests of this share."""
        return len(self._plan.arrivals) + self._plan.warmup

    async def prepare(self) -> None:
        """Open connections ahead, send the warm-up and wait for it."""
        spare = min(SPARE_LANES, self._plan.max_in_flight)
        self._idle.extend(self._dispatcher.lane(self._finished) for _ in range(spare))
        await self._dispatcher.open_lanes(list(self._idle))
        for number in range(self._plan.warmup):
            planned = self._dispatcher.maker.make(
                self._plan.total + number, user=0, request=number + 1, phase="warmup"
            )
            self._dispatcher.go(self._take_lane(), planned, monotonic_ns())
        await self._dispatcher.drained()
        self._make_ahead()

    async def run(self, begin_ns: int) -> None:
        """Send every request at its deadline, then wait for the last answer."""
        self._dispatcher.more_to_come = lambda: not self._over.is_set()
        self._begin_ns = begin_ns
        self._begin = self._loop.time() + (begin_ns - monotonic_ns()) / 1e9
        self._await_next()
        try:
            await self._over.wait()
            await self._dispatcher.drained()
        finally:
            for task in self._opening:
                task.cancel()

    def _await_next(self) -> None:
        if self._next >= len(self._plan.arrivals) or self._dispatcher.stopping is not None:
            self._over.set()
            return
        at_s = self._plan.arrivals[self._next].at_s
        self._loop.call_at(self._begin + at_s - EARLY_S, self._turn)

    def _turn(self) -> None:
        """Send what is due, and wait for the next deadline in turns, or by a timer."""
        while self._next < len(self._plan.arrivals) and self._dispatcher.stopping is None:
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

    def _arrive(self, arrival: Arrival) -> None:
        planned = self._upcoming or self._make(arrival)
        self._upcoming = None
        scheduled_ns = self._begin_ns + round(arrival.at_s * 1e9)
        limit = self._plan.max_in_flight
        if self._dispatcher.counts.in_flight >= limit:
            self._dispatcher.drop(planned, scheduled_ns, f"{limit} requests were in flight")
        else:
            self._dispatcher.go(self._take_lane(), planned, scheduled_ns)
        self._dispatcher.later(self._make_ahead)

    def _take_lane(self) -> Lane:
        """An idle lane; the pool is refilled in the background."""
        lane = self._idle.pop() if self._idle else self._dispatcher.lane(self._finished)
        if len(self._idle) + len(self._opening) < SPARE_LANES // 2:
            self._refill()
        return lane

    def _refill(self) -> None:
        room = self._plan.max_in_flight - len(self._dispatcher.lanes)
        for _ in range(min(SPARE_LANES // 2, room)):
            lane = self._dispatcher.lane(self._finished)
            task = told(self._loop.create_task(self._open(lane)))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, lane: Lane) -> None:
        await lane.open()
        self._idle.appendleft(lane)

    def _finished(self, lane: Lane, planned: PlannedRequest, exchange: Exchange) -> None:
        self._idle.append(lane)

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
