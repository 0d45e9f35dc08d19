"""Climbs a ramp: decides how long each step is held, and counts the requests/s that it brought."""

import asyncio
from collections.abc import Callable
from statistics import median

from llmbench.clock import Clock
from llmbench.load.loops.dispatcher import Dispatcher
from llmbench.load.plan.shapes import ClosedPlan, RampStep, is_flat
from llmbench.records import RequestRecord

POLL_S = 0.02  # short against a step, which lasts seconds
LATENCIES, STEADY_LATENCIES = 3.0, 1.5
"""Median latencies that a step lasts at least, and that its steady window does: from the last
user's first sending to the first user's last answer, so that each user has sent in it."""
MOST_HOLDS = 20.0
"""A step ends after `hold_s` times this in any case; then it may not have been steady."""


class StepWatch:
    """One step, with the requests of this share's users; times are Unix nanoseconds."""

    def __init__(
        self, step: RampStep, begin_ns: int, users: int, *, warms_up: bool = False
    ) -> None:
        self._warms_up = warms_up
        self._step, self._begin_ns, self._users = step, begin_ns, users
        self._spawned_ns = begin_ns + round(step.spawn_s * 1e9)
        self._latencies_ns: list[int] = []
        self._first_sent_ns: dict[int, int] = {}  # by user
        self._last_done_ns: dict[int, int] = {}
        self._succeeded: dict[int, int] = {}

    def add(self, record: RequestRecord) -> None:
        """Count a request that was sent in this step."""
        if record.sent_ns is None or record.sent_ns < self._begin_ns:
            return
        if self._warms_up and record.phase == "warmup":
            return
        user = record.user
        self._latencies_ns.append(record.done_ns - record.sent_ns)
        self._first_sent_ns.setdefault(user, record.sent_ns)
        self._last_done_ns[user] = record.done_ns
        self._succeeded[user] = self._succeeded.get(user, 0) + record.ok

    def is_held(self, now_ns: int) -> bool:
        """Whether the step has lasted long enough for its latency."""
        held_s = (now_ns - self._spawned_ns) / 1e9
        if held_s < self._step.hold_s:
            return False
        if not self._users or held_s > MOST_HOLDS * self._step.hold_s:
            return True
        if len(self._first_sent_ns) < self._users:
            return False
        latency_ns = median(self._latencies_ns)
        steady_ns = min(self._last_done_ns.values()) - max(self._first_sent_ns.values())
        enough_ns = STEADY_LATENCIES * latency_ns
        return held_s * 1e9 >= LATENCIES * latency_ns and steady_ns >= enough_ns

    @property
    def requests_per_s(self) -> float:
        """The sum of the users' rates, each from the user's first sending to its last answer.

        A request that also belongs to another step is not counted.
        """
        return sum(
            count / max(self._last_done_ns[user] - self._first_sent_ns[user], 1) * 1e9
            for user, count in self._succeeded.items()
        )


class Climb:
    """Takes the users of one share through the steps of a ramp.

    With `leads` it decides by itself when a step has been held. Otherwise it reports its progress
    in the dispatcher's counts, and goes on when the director of all workers says so.
    """

    def __init__(
        self, dispatcher: Dispatcher, plan: ClosedPlan, clock: Clock, *, leads: bool
    ) -> None:
        self.step_ends_ns: list[tuple[int, int]] = []  # (users, Unix)
        self._dispatcher, self._plan, self._clock, self._leads = dispatcher, plan, clock, leads
        self._rates_per_s: list[float] = []
        self._watch: StepWatch | None = None
        self._told_ns: dict[int, int] = {}  # number of a step -> when it begins, Unix
        dispatcher.on_record(self._add)
        dispatcher.on_step = self._told_ns.setdefault

    async def climb(self, begin_ns: int, spawn: Callable[[int, int], None]) -> None:
        """Climb from `begin_ns` (Unix) to the end of the ramp; `spawn` starts a step's users."""
        for number, step in enumerate(self._plan.steps):
            users = sum(start.step <= number for start in self._plan.starts)
            self._watch = watch = StepWatch(step, begin_ns, users, warms_up=number == 0)
            spawn(number, begin_ns)
            while not watch.is_held(self._clock.unix_ns()):
                if self._dispatcher.stopping is not None:
                    return
                await asyncio.sleep(POLL_S)
            self._rates_per_s.append(watch.requests_per_s)
            begin_ns = await self._next_step(number + 1)
            self.step_ends_ns.append((step.users, begin_ns))
            if self._dispatcher.stopping is not None:
                return

    async def _next_step(self, number: int) -> int:
        """The time (Unix) at which step `number` begins, or at which the ramp has ended."""
        counts = self._dispatcher.counts
        counts.steps_held, counts.step_rate_per_s = number, self._rates_per_s[-1]
        if self._leads:
            why = end_of_climb(self._plan, self._rates_per_s)
            if why is not None:
                self._dispatcher.stop(why)
            return self._clock.unix_ns()
        while number not in self._told_ns and self._dispatcher.stopping is None:
            await asyncio.sleep(POLL_S)
        return self._told_ns.get(number, self._clock.unix_ns())

    def _add(self, record: RequestRecord) -> None:
        if self._watch is not None:
            self._watch.add(record)


def end_of_climb(plan: ClosedPlan, rates_per_s: list[float]) -> str | None:
    """Why the ramp ends with the step that was held last; None if it goes on."""
    if plan.stop_when_flat and is_flat(rates_per_s):
        return "requests/s stopped rising"
    return "the last step of the ramp is over" if len(rates_per_s) == len(plan.steps) else None
