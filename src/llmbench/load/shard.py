"""One worker's share of a cell, from connections opened to journal closed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns

from msgspec import Struct

from llmbench.apis import dialect
from llmbench.cells import Cell
from llmbench.clock import Clock
from llmbench.load.closed import ClosedLoop
from llmbench.load.engine import Engine, Quiet
from llmbench.load.opened import OpenLoop
from llmbench.load.orders import Orders
from llmbench.load.progress import Progress
from llmbench.load.reading import Reader
from llmbench.load.shapes import ClosedPlan, Plan, deal, plan
from llmbench.load.target import Target
from llmbench.records import Endpoint, Prompt
from llmbench.store import Journal

WATCH_PERIOD_S = 0.5
ASK_EVERY = 2


class Job(Struct, frozen=True):
    """What a worker needs to know; crosses processes and hosts."""

    cell: Cell
    endpoint: Endpoint
    prompts: tuple[Prompt, ...]
    repeat: int
    seed: int
    warmup_per_user: int
    journal: str  # where this worker's records go
    worker: int = 0
    workers: int = 1


class Outcome(Struct, frozen=True):
    """What a worker has to say besides its records."""

    started_ns: int
    ended_ns: int
    cpu_ns: int
    dropped: int
    step_ends_ns: tuple[tuple[int, int], ...] = ()
    server_died: str | None = None
    notes: tuple[str, ...] = ()


async def run_shard(
    job: Job,
    *,
    progress: Callable[[Progress], None] | None = None,
    died: Callable[[], str | None] | None = None,
) -> Outcome:
    """Carry out `job` on this event loop; its records are on disk even if it is interrupted."""
    clock = Clock()
    target = Target(job.endpoint, dialect(job.endpoint.api))
    orders = Orders(job.cell, job.prompts, target, seed=job.seed)
    whole = plan(job.cell, seed=job.seed, warmup_per_user=job.warmup_per_user)
    share = deal(whole, job.worker, job.workers)
    reader = Reader(target.dialect, clock, job.cell.id, job.repeat, job.worker)
    with Journal(Path(job.journal)) as journal, Quiet() as quiet:
        engine = Engine(target, orders, reader, journal.append)
        loop = _loop(engine, share)
        watcher = Watcher(engine, loop.total, progress, died)
        try:
            began_ns = await _carry_out(engine, loop, watcher)
        finally:
            engine.close()
            watcher.report()
        ended_ns = monotonic_ns()
    return Outcome(
        started_ns=clock.to_unix_ns(began_ns),
        ended_ns=clock.to_unix_ns(ended_ns),
        cpu_ns=quiet.cpu_ns,
        dropped=engine.counts.dropped,
        step_ends_ns=tuple((users, clock.to_unix_ns(at)) for users, at in loop.step_ends_ns),
        server_died=watcher.server_died,
        notes=_notes(job, engine),
    )


def _loop(engine: Engine, share: Plan) -> ClosedLoop | OpenLoop:
    if isinstance(share, ClosedPlan):
        return ClosedLoop(engine, share)
    return OpenLoop(engine, share)


async def _carry_out(engine: Engine, loop: ClosedLoop | OpenLoop, watcher: "Watcher") -> int:
    """Prepare, run, and see to time-outs meanwhile; when the clock started (monotonic)."""
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(engine.keep_watch()),
            tasks.create_task(watcher.keep_watch()),
        ]
        await loop.prepare()
        began_ns = monotonic_ns()
        await loop.run(began_ns)
        for task in background:
            task.cancel()
    return began_ns


class Watcher:
    """Tells how far it is and asks whether the server lives, apart from the load itself."""

    def __init__(
        self,
        engine: Engine,
        total: int | None,
        progress: Callable[[Progress], None] | None,
        died: Callable[[], str | None] | None,
    ) -> None:
        self.server_died: str | None = None
        self._engine, self._total = engine, total
        self._progress, self._died = progress, died
        self._began_ns = monotonic_ns()

    async def keep_watch(self) -> None:
        """Until cancelled, or the server has died."""
        loop = asyncio.get_running_loop()
        turn = 0
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            self.report()
            turn += 1
            if self._died is None or turn % ASK_EVERY or self.server_died is not None:
                continue
            why = await loop.run_in_executor(None, self._died)
            if why is not None:
                self.server_died = why
                self._engine.abandon(why)

    def report(self) -> None:
        """Tell how far it is, now."""
        if self._progress is not None:
            elapsed_s = (monotonic_ns() - self._began_ns) / 1e9
            self._progress(self._engine.counts.at(elapsed_s, self._total))


def _notes(job: Job, engine: Engine) -> tuple[str, ...]:
    """What a reader of the numbers should know of how they were taken."""
    notes: list[str] = []
    sent, prompts = engine.counts.sent * job.workers, len(job.prompts)
    if sent > prompts:
        notes.append(f"prompts repeat: about {sent} requests from {prompts} prompts")
    if engine.stopping is not None:
        notes.append(f"stopped: {engine.stopping}")
    return tuple(notes)
