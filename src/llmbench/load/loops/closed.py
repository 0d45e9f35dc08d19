"""The closed loop, in which each user sends its next request when its last one has ended."""

import asyncio
from time import monotonic_ns

from llmbench.clock import Clock
from llmbench.load.loops.aborting import guarded
from llmbench.load.loops.climbing import Climb
from llmbench.load.loops.dispatcher import Dispatcher
from llmbench.load.loops.lane import Lane
from llmbench.load.loops.pauses import BUSY, pause_s
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.shapes import ClosedPlan, Start
from llmbench.load.plan.talks import Talk
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.stamps import ended_ns


class ClosedLoop:
    """Runs a `ClosedPlan`; the warm-up is each user's own first requests, without a barrier.

    `leads` says whether this worker, having all users, shall itself end the steps of a ramp.
    """

    def __init__(
        self, dispatcher: Dispatcher, plan: ClosedPlan, clock: Clock, *, leads: bool = True
    ) -> None:
        self._dispatcher, self._plan = dispatcher, plan
        self._loop = asyncio.get_running_loop()
        self._lanes = [dispatcher.lane(self._finished, start.user) for start in plan.starts]
        self._running = len(self._lanes)
        self._pauses: dict[Lane, asyncio.TimerHandle] = {}  # of users that wait to ask again
        self._over = asyncio.Event()
        self._clock = clock
        self._climb = Climb(dispatcher, plan, clock, leads=leads)
        self._yet_to_begin = {lane.user for lane in self._lanes}
        self._timers: list[asyncio.TimerHandle] = []
        dispatcher.on_stop = self._cancel_spawns
        self._deadline_ns: int | None = None

    @property
    def step_ends_ns(self) -> list[tuple[int, int]]:
        """The steps of a ramp: the users of each, and when it ended (Unix)."""
        return self._climb.step_ends_ns

    @property
    def total(self) -> int | None:
        """The number of requests in this share, if the plan says so."""
        plan = self._plan
        if plan.requests_per_user is None or plan.duration_s is not None or plan.steps:
            return None
        if plan.converses:
            return None  # how many turns a conversation has, its answers decide
        return len(plan.starts) * (plan.requests_per_user + plan.warmup_per_user)

    async def prepare(self) -> None:
        """Open all connections and build each user's first request."""
        await self._dispatcher.open_lanes(self._lanes)
        for lane in self._lanes:
            lane.upcoming = self._make(lane)

    async def run(self, begin_ns: int) -> None:
        """Send until the plan is done, then wait for the last answer."""
        if self._dispatcher.stopping is not None:
            return
        self._dispatcher.more_to_come = lambda: bool(self._yet_to_begin or self._pauses)
        if self._plan.steps:
            begin_unix_ns = self._clock.to_unix_ns(begin_ns)
            climb = guarded(asyncio.create_task(self._climb.climb(begin_unix_ns, self._begin_step)))
        else:
            climb = None
            self._spawn_all(0, begin_ns)
        if not self._lanes and climb is None:
            self._over.set()
        try:
            await self._over.wait()
            if climb is not None:
                await climb
        finally:
            if climb is not None:
                climb.cancel()
            self._cancel_spawns()
        await self._dispatcher.drained()

    def _cancel_spawns(self) -> None:
        """Cancel the users that have not begun, and let none wait any longer."""
        while self._pauses:
            self._pauses.popitem()[1].cancel()
            self._retire()
        for timer in self._timers:
            timer.cancel()
        self._running -= len(self._yet_to_begin)
        self._yet_to_begin.clear()
        if not self._running:
            self._over.set()

    def _begin_step(self, number: int, begin_unix_ns: int) -> None:
        self._spawn_all(number, begin_unix_ns - self._clock.anchor_ns)

    def _spawn_all(self, step: int, begin_ns: int) -> None:
        """Have the users of `step` begin, each at its time after `begin_ns`."""
        begin = self._loop.time() + (begin_ns - monotonic_ns()) / 1e9
        self._timers = [
            self._loop.call_at(begin + start.at_s, self._spawn, lane, begin_ns, start)
            for lane, start in zip(self._lanes, self._plan.starts, strict=True)
            if start.step == step
        ]

    def _spawn(self, lane: Lane, begin_ns: int, start: Start) -> None:
        self._yet_to_begin.discard(lane.user)
        self._dispatcher.counts.users += 1
        scheduled_ns = begin_ns + round(start.at_s * 1e9)
        self._dispatcher.soon(monotonic_ns(), self._next, lane, scheduled_ns)

    def _next(self, lane: Lane, scheduled_ns: int) -> None:
        """Send the lane's next request, or retire it."""
        if self._is_over(lane):
            self._retire()
            return
        planned = lane.upcoming or self._make(lane)
        lane.upcoming = None
        if self._deadline_ns is None and planned.phase == "measured":
            self._set_deadline()
        self._dispatcher.go(lane, planned, scheduled_ns)
        if planned.talk is None:  # else its answer decides what is sent next
            self._dispatcher.later(self._make_ahead, lane, planned)

    def _finished(self, lane: Lane, planned: PlannedRequest, exchange: Exchange) -> None:
        lane.refusals = lane.refusals + 1 if exchange.status in BUSY else 0
        failures = lane.failures_to_connect or lane.refusals
        if failures:
            self._pause(lane, pause_s(exchange, failures))
            return
        if planned.talk is not None:
            self._converse(lane, planned.talk, ended_ns(exchange))
            return
        self._next(lane, 0)
        if lane.exchange is not None:  # stamped only now, since the sending must not wait for it
            lane.exchange.scheduled_ns = ended_ns(exchange)

    def _converse(self, lane: Lane, talk: Talk, since_ns: int) -> None:
        """Have the user go on with a conversation once he has thought, or begin another at once."""
        if talk.end is None and not self._has_ended():
            number = lane.requests + 1
            lane.upcoming = talk.speaker.next_turn(talk, user=lane.user, request=number)
            since_ns += lane.upcoming.think_ns or 0
        now_ns = monotonic_ns()
        until_ns = min(since_ns, self._deadline_ns or since_ns)
        if until_ns <= now_ns:
            self._next(lane, since_ns)
        else:
            wait_s = (until_ns - now_ns) / 1e9
            self._pauses[lane] = self._loop.call_later(wait_s, self._resume, lane, since_ns)

    def _resume(self, lane: Lane, scheduled_ns: int) -> None:
        del self._pauses[lane]
        self._next(lane, scheduled_ns)

    def _pause(self, lane: Lane, wait_s: float) -> None:
        """Have the lane's user wait, but not beyond the end of the load."""
        began_ns = monotonic_ns()
        if self._dispatcher.stopping is not None:
            wait_s = 0.0
        elif self._deadline_ns is not None:
            wait_s = min(wait_s, max(0.0, (self._deadline_ns - began_ns) / 1e9))
        self._pauses[lane] = self._loop.call_later(wait_s, self._again, lane, began_ns)

    def _again(self, lane: Lane, began_ns: int) -> None:
        del self._pauses[lane]
        now_ns = monotonic_ns()
        self._next(lane, now_ns)
        if lane.exchange is not None:
            lane.exchange.paused_ns = now_ns - began_ns

    def _has_ended(self) -> bool:
        """Whether nobody sends any more."""
        if self._dispatcher.stopping is not None:
            return True
        return self._deadline_ns is not None and monotonic_ns() >= self._deadline_ns

    def _is_over(self, lane: Lane) -> bool:
        """Whether the lane's user sends no more: what he has made ready is within his limit."""
        limit = self._plan.requests_per_user
        if self._has_ended() or limit is None or lane.upcoming is not None:
            return self._has_ended()
        return lane.begun >= limit + self._plan.warmup_per_user

    def _retire(self) -> None:
        self._running -= 1
        self._dispatcher.counts.users -= 1
        if not self._running:
            self._over.set()

    def _make_ahead(self, lane: Lane, under_way: PlannedRequest) -> None:
        """Prepare what follows a request, unless that has followed already."""
        if lane.planned is under_way and lane.upcoming is None and not self._is_over(lane):
            lane.upcoming = self._make(lane)

    def _make(self, lane: Lane) -> PlannedRequest:
        begun = lane.begun
        lane.begun += 1
        return self._dispatcher.maker.make(
            begun * self._plan.users + lane.user - 1,
            user=lane.user,
            request=lane.requests + 1,
            phase="warmup" if begun < self._plan.warmup_per_user else "measured",
        )

    def _set_deadline(self) -> None:
        """Count the duration from the first measured request, or from the last spawn if later."""
        if self._plan.duration_s is not None:
            last_spawn_ns = round(self._plan.starts[-1].at_s * 1e9)
            self._deadline_ns = monotonic_ns() + last_spawn_ns + round(self._plan.duration_s * 1e9)
