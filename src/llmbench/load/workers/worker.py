"""Carries out one worker's share of a cell, from opening connections to the last record."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic_ns

from llmbench.access import masked
from llmbench.apis import dialect
from llmbench.clock import Clock
from llmbench.config import ConfigError
from llmbench.load.conforming import checker
from llmbench.load.decoding import Decoder
from llmbench.load.loops.aborting import Faults, guarded
from llmbench.load.loops.closed import ClosedLoop
from llmbench.load.loops.dispatcher import Dispatcher, Quiet
from llmbench.load.loops.open import OpenLoop
from llmbench.load.loops.unreachable import Unreachable
from llmbench.load.plan.class_requests import traffic_maker, with_all_headers
from llmbench.load.plan.maker import Drawing, Maker
from llmbench.load.plan.requests import RequestMaker
from llmbench.load.plan.shapes import ClosedPlan, Plan, deal
from llmbench.load.progress import Progress
from llmbench.load.wire.target import Target
from llmbench.load.workers.messages import Channel, Control, Job, Outcome
from llmbench.process import allow_many_connections, open_files
from llmbench.records import RequestRecord

WATCH_PERIOD_S = 0.25  # how often a worker reports and hears what to do
START_POLL_S = 0.005  # the same while it waits for the start
SPARE_FILES = 16  # for the journal, the event loop, name resolution, …


async def run_shard(
    job: Job,
    channel: Channel,
    sink: Callable[[RequestRecord], None],
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Carry out `job` on this event loop; each record goes to `sink` at once.

    When the load is interrupted, requests that had ended are still recorded.

    Whatever raises in a callback (decoding, `sink`, `progress`, …) ends the load and is raised.
    """
    share = share_of(job)
    _require_files(share)
    clock = Clock(job.anchor_ns)
    spoken = dialect(job.endpoint.api)
    targets = [Target(endpoint, spoken) for endpoint in job.endpoint.replicas]
    maker = _maker(job, targets, share)
    mask = partial(masked, client=with_all_headers(job.endpoint.client, job.cell.traffic))
    wrong = checker(job.cell.schema)
    decoder = Decoder(spoken, clock, job.cell.id, job.repeat, job.worker, mask, wrong)
    with Quiet() as quiet, Faults():
        dispatcher = Dispatcher(targets, maker, decoder, sink)
        load_loop = _loop(dispatcher, share, clock, alone=job.workers == 1)
        unreachable = Unreachable()
        dispatcher.on_record(unreachable.count)
        liaison = Liaison(dispatcher, channel, clock, load_loop.total, progress, unreachable)
        try:
            began_ns = await _carry_out(dispatcher, load_loop, liaison)
        except BaseException:
            dispatcher.stop("the load was broken off")  # timers that are still to fire send nothing
            raise
        finally:
            try:
                dispatcher.close()
            finally:
                liaison.last_word()
        ended_ns = monotonic_ns()
    return Outcome(
        started_ns=clock.to_unix_ns(began_ns),
        ended_ns=clock.to_unix_ns(ended_ns),
        cpu_ns=quiet.cpu_ns,
        dropped=dispatcher.counts.dropped,
        sent=dispatcher.counts.sent,
        step_ends_ns=tuple(load_loop.step_ends_ns),
        server_died=liaison.server_died,
        cut_short=liaison.cut_short,
        stopped=dispatcher.stopping,
        prompts_sent=tuple(sorted(dispatcher.prompts_sent)),
    )


def _maker(job: Job, targets: Sequence[Target], share: Plan) -> Maker:
    """Makes the requests of prompts of a length, or of the cell's traffic."""
    warms_up = share.warmup_per_user * share.users if isinstance(share, ClosedPlan) else 0
    users = share.users if isinstance(share, ClosedPlan) else 1
    drawing = Drawing(
        job.seed, job.repeat, job.salt, job.seen, first_measured=warms_up, users=users
    )
    if job.material is None:
        return RequestMaker(job.cell, job.prompts, targets, drawing)
    return traffic_maker(job.cell, job.material, targets, drawing)


def share_of(job: Job) -> Plan:
    """The part of the cell's load that `job` carries."""
    return deal(job.plan, job.worker, job.workers)


def _require_files(share: Plan) -> None:
    """Refuse a closed loop that needs more connections than this process may open files."""
    limit = allow_many_connections()
    users = len(share.starts) if isinstance(share, ClosedPlan) else 0
    needed = users + open_files() + SPARE_FILES
    if needed > limit:
        raise ConfigError(
            f"{users} users need about {needed} open files in one process, the limit is {limit}: "
            f"raise it with ulimit -n {needed}, or use more workers (--llm-workers)"
        )


def _loop(
    dispatcher: Dispatcher, share: Plan, clock: Clock, *, alone: bool
) -> ClosedLoop | OpenLoop:
    if isinstance(share, ClosedPlan):
        return ClosedLoop(dispatcher, share, clock, leads=alone)
    return OpenLoop(dispatcher, share)


async def _carry_out(
    dispatcher: Dispatcher, load_loop: ClosedLoop | OpenLoop, liaison: "Liaison"
) -> int:
    """Prepare and run the load under watch; return when the clock started (monotonic)."""
    background = [
        guarded(asyncio.create_task(dispatcher.sweep_timeouts())),
        guarded(asyncio.create_task(liaison.keep_in_touch())),
    ]
    try:
        await load_loop.prepare()
        began_ns = await liaison.start_signal()
        await load_loop.run(began_ns)
    finally:
        for task in background:
            task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    return began_ns


class Liaison:
    """Talks to the director: reports how far the load is, and obeys commands."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        channel: Channel,
        clock: Clock,
        total: int | None,
        progress: Callable[[Progress], None] | None,
        unreachable: Unreachable,
    ) -> None:
        self.server_died: str | None = None
        self.cut_short: str | None = None
        self._dispatcher, self._channel, self._clock = dispatcher, channel, clock
        self._total, self._progress = total, progress
        self._unreachable = unreachable
        self._ready = False
        self._began_ns = monotonic_ns()
        self._task = asyncio.current_task()

    async def start_signal(self) -> int:
        """Wait until all workers are ready; return when to begin, on the monotonic clock."""
        self._ready = True
        while True:
            control = await self._exchange()
            if control.command != "wait":
                break
            await asyncio.sleep(START_POLL_S)
        self._obey(control)
        self._began_ns = monotonic_ns()
        if control.begin_unix_ns is None:
            return self._began_ns
        return control.begin_unix_ns - self._clock.anchor_ns

    async def keep_in_touch(self) -> None:
        """Report and obey until this is cancelled; end the load where the server is gone."""
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            self.report()
            self._obey(await self._exchange())
            why = self._unreachable.why()
            if why is not None:
                self._obey(Control("server_died", why=why))

    def report(self) -> None:
        """Report how far the load is now."""
        if self._progress is not None:
            self._progress(self._now())

    def last_word(self) -> None:
        """Report that all is over and recorded."""
        self.report()
        self._channel.exchange(self._now(), ready=self._ready)

    async def _exchange(self) -> Control:
        loop = asyncio.get_running_loop()
        exchange = partial(self._channel.exchange, self._now(), ready=self._ready)
        return await loop.run_in_executor(None, exchange)

    def _obey(self, control: Control) -> None:
        if control.command == "stop":
            self._dispatcher.stop(control.why)
        elif control.command == "server_died" and self.server_died is None:
            self.server_died = control.why
            self._dispatcher.abandon("server_died", control.why)
        elif control.command == "cut_short" and self.cut_short is None:
            self.cut_short = control.why
            self._dispatcher.abandon("cancelled", control.why)
        elif control.step_begin_unix_ns is not None:
            self._dispatcher.on_step(control.step, control.step_begin_unix_ns)
        elif control.command == "abort" and self._task is not None:
            self._task.cancel()

    def _now(self) -> Progress:
        elapsed_s = (monotonic_ns() - self._began_ns) / 1e9
        return self._dispatcher.counts.at(elapsed_s, self._total)
