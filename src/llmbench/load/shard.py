"""One worker's share of a cell, from connections opened to journal closed."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic_ns

from msgspec import Struct

from llmbench.apis import dialect
from llmbench.cells import Cell
from llmbench.clock import Clock
from llmbench.descriptors import allow_many_connections
from llmbench.load.channel import Channel, Control
from llmbench.load.closed import ClosedLoop
from llmbench.load.engine import Engine, Quiet
from llmbench.load.opened import OpenLoop
from llmbench.load.orders import Orders
from llmbench.load.progress import Progress
from llmbench.load.reading import Reader
from llmbench.load.shapes import ClosedPlan, Plan, deal, plan
from llmbench.load.target import Target
from llmbench.records import Endpoint, Prompt, RequestRecord

WATCH_PERIOD_S = 0.25
START_POLL_S = 0.005


class Job(Struct, frozen=True):
    """What a worker needs to know; crosses processes and hosts."""

    cell: Cell
    endpoint: Endpoint
    prompts: tuple[Prompt, ...]
    repeat: int
    seed: int
    warmup_per_user: int
    salt: str  # keeps this run's requests apart from all others in the server's caches
    worker: int = 0
    workers: int = 1


class Outcome(Struct, frozen=True):
    """What a worker has to say besides its records."""

    started_ns: int
    ended_ns: int
    cpu_ns: int
    dropped: int
    sent: int
    step_ends_ns: tuple[tuple[int, int], ...] = ()
    server_died: str | None = None
    stopped: str | None = None


async def run_shard(
    job: Job,
    channel: Channel,
    sink: Callable[[RequestRecord], None],
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Carry out `job` on this event loop; each record goes to `sink` at once, also those of
    requests that had ended when it is interrupted."""
    allow_many_connections()
    clock = Clock()
    target = Target(job.endpoint, dialect(job.endpoint.api))
    orders = Orders(job.cell, job.prompts, target, seed=job.seed, salt=job.salt)
    share = share_of(job)
    reader = Reader(target.dialect, clock, job.cell.id, job.repeat, job.worker)
    with Quiet() as quiet:
        engine = Engine(target, orders, reader, sink)
        loop = _loop(engine, share, alone=job.workers == 1)
        watcher = Watcher(engine, channel, clock, loop.total, progress)
        try:
            began_ns = await _carry_out(engine, loop, watcher)
        finally:
            engine.close()
            watcher.last_word()
        ended_ns = monotonic_ns()
    return Outcome(
        started_ns=clock.to_unix_ns(began_ns),
        ended_ns=clock.to_unix_ns(ended_ns),
        cpu_ns=quiet.cpu_ns,
        dropped=engine.counts.dropped,
        sent=engine.counts.sent,
        step_ends_ns=tuple((users, clock.to_unix_ns(at)) for users, at in loop.step_ends_ns),
        server_died=watcher.server_died,
        stopped=engine.stopping,
    )


def share_of(job: Job) -> Plan:
    """The part of the cell's load that `job` carries."""
    whole = plan(job.cell, seed=job.seed, warmup_per_user=job.warmup_per_user)
    return deal(whole, job.worker, job.workers)


def _loop(engine: Engine, share: Plan, *, alone: bool) -> ClosedLoop | OpenLoop:
    if isinstance(share, ClosedPlan):
        return ClosedLoop(engine, share, decides=alone)
    return OpenLoop(engine, share)


async def _carry_out(engine: Engine, loop: ClosedLoop | OpenLoop, watcher: "Watcher") -> int:
    """Prepare, run, and keep watch meanwhile; when the clock started (monotonic)."""
    background = [
        asyncio.create_task(engine.keep_watch()),
        asyncio.create_task(watcher.keep_watch()),
    ]
    try:
        await loop.prepare()
        began_ns = await watcher.start_signal()
        await loop.run(began_ns)
    finally:
        for task in background:
            task.cancel()
    for failure in await asyncio.gather(*background, return_exceptions=True):
        if isinstance(failure, Exception):
            raise failure
    return began_ns


class Watcher:
    """Tells how far it is and does as it is told, apart from the load itself."""

    def __init__(
        self,
        engine: Engine,
        channel: Channel,
        clock: Clock,
        total: int | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.server_died: str | None = None
        self._engine, self._channel, self._clock = engine, channel, clock
        self._total, self._progress = total, progress
        self._ready = False
        self._began_ns = monotonic_ns()
        self._task = asyncio.current_task()

    async def start_signal(self) -> int:
        """Wait until all workers are ready; when to begin, on the monotonic clock."""
        self._ready = True
        while True:
            control = await self._exchange()
            if control.order != "wait":
                break
            await asyncio.sleep(START_POLL_S)
        self._obey(control)
        self._began_ns = monotonic_ns()
        if control.begin_unix_ns is None:
            return self._began_ns
        return control.begin_unix_ns - self._clock.anchor_ns

    async def keep_watch(self) -> None:
        """Until cancelled, or the server has died."""
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            self.report()
            self._obey(await self._exchange())

    def report(self) -> None:
        """Tell how far it is, now."""
        if self._progress is not None:
            self._progress(self._now())

    def last_word(self) -> None:
        """All is over and recorded: say so."""
        self.report()
        self._channel.exchange(self._now(), ready=self._ready)

    async def _exchange(self) -> Control:
        loop = asyncio.get_running_loop()
        exchange = partial(self._channel.exchange, self._now(), ready=self._ready)
        return await loop.run_in_executor(None, exchange)

    def _obey(self, control: Control) -> None:
        if control.order == "stop":
            self._engine.stop(control.why)
        elif control.order == "server_died" and self.server_died is None:
            self.server_died = control.why
            self._engine.abandon(control.why)
        elif control.order == "abort" and self._task is not None:
            self._task.cancel()

    def _now(self) -> Progress:
        elapsed_s = (monotonic_ns() - self._began_ns) / 1e9
        return self._engine.counts.at(elapsed_s, self._total)
