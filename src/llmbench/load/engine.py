"""Runs one worker's share of a plan on one event loop."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic_ns

from llmbench.load.exchange import Exchange
from llmbench.load.lane import Finished, Lane
from llmbench.load.orders import Orders
from llmbench.load.progress import Counts
from llmbench.load.reading import Order, Reader
from llmbench.load.target import Target
from llmbench.load.timeouts import Timeouts
from llmbench.records import RequestRecord

OPENING_AT_ONCE = 64
DECODE_SLICE_NS = 1_000_000
COLLECT_EVERY_S = 30.0


class Engine:
    """What closed and open loops share: lanes, decoding in the gaps, time-outs, the end.

    Decoding gives way to reading: between two rounds of the event loop it takes about a
    millisecond, more only when the backlog grows.
    """

    def __init__(
        self,
        target: Target,
        orders: Orders,
        reader: Reader,
        sink: Callable[[RequestRecord], None],
    ) -> None:
        self.target, self.orders = target, orders
        self.counts = Counts()
        self.stopping: str | None = None  # why no more requests are sent
        self.on_stop: Callable[[], None] = lambda: None
        self.lanes: list[Lane] = []
        self._reader, self._sink = reader, sink
        self._loop = asyncio.get_running_loop()
        self._timeouts = Timeouts(target.endpoint.client, reader)
        self._undecoded: deque[tuple[Order, Exchange]] = deque()
        self._decoding = False
        self._idle = asyncio.Event()
        self._watchers: list[Callable[[RequestRecord], None]] = []

    def watch(self, watcher: Callable[[RequestRecord], None]) -> None:
        """Have `watcher` called with each record."""
        self._watchers.append(watcher)

    def lane(self, finished: Finished, user: int = 0) -> Lane:
        """A new lane whose requests `finished` follows up."""

        def over(lane: Lane, order: Order, exchange: Exchange) -> None:
            self.counts.in_flight -= 1
            finished(lane, order, exchange)
            self._settle(order, exchange)

        lane = Lane(self.target, over, user)
        self.lanes.append(lane)
        return lane

    def go(self, lane: Lane, order: Order, scheduled_ns: int) -> None:
        """Send `order` on `lane`."""
        lane.requests += 1
        self.counts.sent += 1
        self.counts.in_flight += 1
        lane.go(order, scheduled_ns)

    def drop(self, order: Order, scheduled_ns: int, why: str) -> None:
        """Record a request that was not sent because too many were under way."""
        exchange = Exchange()
        exchange.scheduled_ns = scheduled_ns
        exchange.finish(("dropped", why))
        self.counts.sent += 1
        self.counts.dropped += 1
        self._settle(order, exchange)

    async def open_lanes(self, lanes: Sequence[Lane]) -> None:
        """Open the connections of `lanes` before the clock starts."""
        waiting = deque(lanes)

        async def take_turns() -> None:
            while waiting:
                await waiting.popleft().open()

        await asyncio.gather(*(take_turns() for _ in range(min(OPENING_AT_ONCE, len(lanes)))))

    async def drained(self) -> None:
        """Wait until nothing is under way, and all is decoded."""
        while self.counts.in_flight or self._undecoded:
            self._idle.clear()
            await self._idle.wait()

    def stop(self, why: str) -> None:
        """Send no more."""
        if self.stopping is None:
            self.stopping = why
            self.on_stop()

    def abandon(self, why: str) -> None:
        """The server died: what is under way has failed, and no more is sent."""
        self.stop(why)
        for lane in self.lanes:
            if lane.order is not None:
                lane.fail("server_died", why)

    async def keep_watch(self) -> None:
        """Look after time-outs until cancelled; off the path of a read."""
        collected = self._loop.time()
        while True:
            await asyncio.sleep(self._timeouts.period_s)
            self._timeouts.sweep(self.lanes)
            if self._loop.time() - collected > COLLECT_EVERY_S:
                gc.collect()
                collected = self._loop.time()

    def close(self) -> None:
        """Close every connection and decode what had ended."""
        for lane in self.lanes:
            lane.close()
        while self._undecoded:
            self._decode_one()

    def _settle(self, order: Order, exchange: Exchange) -> None:
        self._undecoded.append((order, exchange))
        if not self._decoding:
            self._decoding = True
            self._loop.call_soon(self._decode_some)

    def _decode_some(self) -> None:
        until = monotonic_ns() + DECODE_SLICE_NS * (1 + len(self._undecoded) // 64)
        while self._undecoded and monotonic_ns() < until:
            self._decode_one()
        self._decoding = bool(self._undecoded)
        if self._decoding:
            self._loop.call_soon(self._decode_some)
        elif not self.counts.in_flight:
            self._idle.set()

    def _decode_one(self) -> None:
        order, exchange = self._undecoded.popleft()
        record = self._reader.record(order, exchange)
        self._sink(record)
        self.counts.settled += 1
        self.counts.failed += not record.ok
        self.counts.output_tokens += record.output_tokens or len(record.event_ns)
        for watcher in self._watchers:
            watcher(record)


class Quiet:
    """The garbage collector stands still inside: its pauses would be client lag.

    Records and exchanges make no reference cycles; `Engine.keep_watch` collects those of
    other threads now and then. `cpu_ns` is this thread's CPU time inside.
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
