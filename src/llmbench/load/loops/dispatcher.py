"""Runs one worker's share of a plan on one event loop."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

from llmbench.load.decoding import Decoder
from llmbench.load.loops.aborting import Watchdog
from llmbench.load.loops.dealing import Dealer
from llmbench.load.loops.hanging_up import HangingUp
from llmbench.load.loops.lane import Finished, Lane
from llmbench.load.loops.pacing import Pacing
from llmbench.load.loops.timeouts import Timeouts
from llmbench.load.plan.maker import Maker
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.progress import Counts
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.target import Target
from llmbench.records import ErrorKind, RequestRecord

OPENING_AT_ONCE = 64  # connections: fewer than common servers let wait (128 or more)
SEND_SLICE_NS = 2_000_000
LATER_SLICE_NS = 500_000
BACKLOG_SLICE_NS = 5_000_000
"""When many answers end at once (as with continuous batching), sending and decoding take turns
with reading, so that no two tokens of a stream pile up in a socket meanwhile. Each slice is short
against a token's time of 20 ms. The last one is for decoding that has fallen behind."""

BACKLOG_EACH, BACKLOG_SPARE = 4, 64
"""Decoding has fallen behind if more waits than 4 jobs for each lane and 64 in all.

A request leaves two jobs (its decoding, and the making of the next one), so this is two rounds of
requests; the 64 keep a few lanes from counting as behind after one burst.
"""
BACKLOG_MOST = 2
"""No more than twice that may wait: a client with too little CPU then reads later instead."""
COLLECT_EVERY_S = 30.0  # seldom, as each time is a pause


class Dispatcher:
    """What closed and open loops share: lanes, turns, time-outs and the end.

    Reading comes first. Work that follows an answer at once (`soon`: sending the next request) gets
    slices of a round of the event loop, and the rest (`later`: decoding) gets smaller ones.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        maker: Maker,
        decoder: Decoder,
        sink: Callable[[RequestRecord], None],
    ) -> None:
        self.maker = maker
        self.counts = Counts()
        self.stopping: str | None = None  # why no more requests are sent
        self.on_stop: Callable[[], None] = lambda: None
        self.on_step: Callable[[int, int], object] = lambda number, begin_unix_ns: None
        self.more_to_come: Callable[[], bool] = lambda: True  # whether a timer will send something
        self.lanes: list[Lane] = []
        self.prompts_sent: set[int] = set()  # their indexes
        self._decoder, self._sink = decoder, sink
        self._loop = asyncio.get_running_loop()
        self._client = targets[0].endpoint.client
        self._dealer = Dealer(targets)
        self._timeouts = Timeouts(self._client, decoder)
        self._hanging_up = HangingUp(decoder)
        self._soon: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._later: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._turn_began_ns = 0
        self._in_turn = self._working = False
        self._idle = asyncio.Event()
        self._pacing = Pacing(self._loop)
        self._observers: list[Callable[[RequestRecord], None]] = [self._pacing.count]

    def on_record(self, observer: Callable[[RequestRecord], None]) -> None:
        """Have `observer` called with each record."""
        self._observers.append(observer)

    def lane(self, finished: Finished, user: int = 0) -> Lane:
        """A new lane; `finished` is called after each of its requests."""

        def over(lane: Lane, planned: PlannedRequest, exchange: Exchange) -> None:
            self.counts.in_flight -= 1
            self._dealer.end(lane.replica)
            if planned.talk is None:
                self.soon(exchange.done_ns, finished, lane, planned, exchange)
                self.later(self._decode, planned, exchange)
            else:
                self.later(self._converse, finished, lane, planned, exchange)

        lane = Lane(self._dealer.targets_of(user), over, user)
        self.lanes.append(lane)
        return lane

    def go(self, lane: Lane, planned: PlannedRequest, scheduled_ns: int) -> None:
        """Send `planned` on `lane`."""
        lane.requests += 1
        self.counts.sent += 1
        self.counts.in_flight += 1
        self.prompts_sent.update(planned.inputs)
        lane.turn_to(self._dealer.begin(planned))
        lane.go(planned, scheduled_ns)
        if planned.hang_ups is not None:
            self._hanging_up.await_moment(lane, planned.hang_ups)

    def drop(self, planned: PlannedRequest, scheduled_ns: int, why: str) -> None:
        """Record a request that was not sent because too many were under way."""
        exchange = Exchange()
        exchange.scheduled_ns = scheduled_ns
        exchange.finish(("dropped", why))
        self.counts.sent += 1
        self.counts.dropped += 1
        self.later(self._decode, planned, exchange)

    async def open_lanes(self, lanes: Sequence[Lane]) -> None:
        """Open the connections of `lanes` before the clock starts."""
        waiting = deque(lanes)

        async def take_turns() -> None:
            while waiting:
                await waiting.popleft().open()

        await asyncio.gather(*(take_turns() for _ in range(min(OPENING_AT_ONCE, len(lanes)))))

    async def drained(self) -> None:
        """Wait until nothing is under way and everything is decoded."""
        while self.counts.in_flight or self._later or self._soon:
            self._idle.clear()
            await self._idle.wait()

    def stop(self, why: str) -> None:
        """Send no more requests."""
        if self.stopping is None:
            self.stopping = why
            self.on_stop()

    def abandon(self, kind: ErrorKind, why: str) -> None:
        """Send no more, and end what is under way as `kind`."""
        self.stop(why)
        for lane in self.lanes:
            if lane.planned is not None:
                lane.fail(kind, why)

    async def sweep_timeouts(self) -> None:
        """Look after time-outs until cancelled, apart from the path of a read.

        Raises `StuckError` if the load stands still nevertheless.
        """
        collected = self._loop.time()
        watchdog = Watchdog(self._client)
        while True:
            await asyncio.sleep(self._timeouts.period_s)
            self._timeouts.sweep(self.lanes)
            self._pacing.look(self.lanes)
            watchdog.look(self.counts, more_to_come=self.more_to_come())
            if self._loop.time() - collected > COLLECT_EVERY_S:
                gc.collect()
                collected = self._loop.time()

    def close(self) -> None:
        """Close every connection and decode what had ended; raise the first error of that."""
        for lane in self.lanes:
            lane.close()
        first: Exception | None = None
        while self._later:
            try:
                self._work_off(self._later)
            except Exception as error:
                first = first or error
        if first is not None:
            raise first

    def soon(self, now_ns: int, what: Callable[..., None], *args: Any) -> None:
        """Do `what` at once or, if this round has gone on for long, in one of the next."""
        if not self._in_turn:
            self._in_turn, self._turn_began_ns = True, now_ns
            self._loop.call_soon(self._next_turn)
        if self._soon or now_ns - self._turn_began_ns > SEND_SLICE_NS:
            self._soon.append((what, args))
        else:
            what(*args)

    def later(self, what: Callable[..., None], *args: Any) -> None:
        """Do `what` when there is time for it."""
        self._later.append((what, args))
        if not self._working:
            self._working = True
            self._loop.call_soon(self._work)

    def _next_turn(self) -> None:
        until = monotonic_ns() + SEND_SLICE_NS
        while self._soon and monotonic_ns() < until:
            self._work_off(self._soon)
        self._in_turn = bool(self._soon)
        if self._in_turn:
            self._loop.call_soon(self._next_turn)
        else:
            self._see_if_idle()

    def _work(self) -> None:
        many = BACKLOG_EACH * len(self.lanes) + BACKLOG_SPARE
        is_behind = len(self._later) > many
        until = monotonic_ns() + (BACKLOG_SLICE_NS if is_behind else LATER_SLICE_NS)
        while self._later and (monotonic_ns() < until or len(self._later) > BACKLOG_MOST * many):
            self._work_off(self._later)
        self._working = bool(self._later)
        if self._working:
            self._loop.call_soon(self._work)
        else:
            self._see_if_idle()

    def _see_if_idle(self) -> None:
        if not (self.counts.in_flight or self._later or self._soon):
            self._idle.set()

    @staticmethod
    def _work_off(queue: deque[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
        what, args = queue.popleft()
        what(*args)

    def _decode(self, planned: PlannedRequest, exchange: Exchange) -> None:
        self._keep(self._decoder.record(planned, exchange))

    def _converse(
        self, finished: Finished, lane: Lane, planned: PlannedRequest, exchange: Exchange
    ) -> None:
        """Take a conversation on with the answer, which is in the request of its next turn."""
        talk = planned.talk
        assert talk is not None
        record = self._decoder.record(planned, exchange)
        answer = self._decoder.said(planned, exchange) if record.ok else ""
        record = talk.speaker.answered(talk, record, answer)
        finished(lane, planned, exchange)
        self._keep(record)

    def _keep(self, record: RequestRecord) -> None:
        self._sink(record)
        if record.sent_ns is not None:
            self.prompts_sent.add(record.prompt_index)
        self.counts.settled += 1
        self.counts.failed += record.failed
        self.counts.output_tokens += record.output_tokens or len(record.event_ns)
        for observer in self._observers:
            observer(record)


class Quiet:
    """Stops the garbage collector while the context is open, as its pauses would be client lag.

    Records and exchanges make no reference cycles; `Dispatcher.sweep_timeouts` collects those of
    other threads now and then. `cpu_ns` is the CPU time of this thread in the context.
    """

    cpu_ns = 0

    def __enter__(self) -> "Quiet":
        gc.collect()
        gc.freeze()
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._began_ns = time.thread_time_ns()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cpu_ns = time.thread_time_ns() - self._began_ns
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()
