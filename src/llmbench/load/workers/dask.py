"""A team of workers on a Dask cluster, which send their records here as they come.

`distributed` moves all bytes: a `Variable` carries the director's commands, and a `Queue` carries
the workers' progress and records. It is imported only if a cluster is asked for.
"""

import secrets
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from llmbench.clock import Clock
from llmbench.config import ConfigError
from llmbench.journal import Journal
from llmbench.load.progress import NO_PROGRESS, Progress
from llmbench.load.wire.polling import run_loop
from llmbench.load.workers.messages import Control, Job, Outcome, WorkerLostError
from llmbench.load.workers.remote_clocks import AnchorBounds, anchor_bounds
from llmbench.load.workers.worker import run_shard
from llmbench.records import RequestRecord

LOOK_S = 0.2  # how often the queue is emptied: often enough for the progress line
CONNECT_S = 10  # for the scheduler to answer, and for a worker to read a command
CLOCK_ERROR_NS = 5_000_000
"""The most that stamps of different machines may be apart.

This is a tenth of a usual TTFT, and far less than the difference of clocks that nobody compared.
"""


class _Said(msgspec.Struct, frozen=True):
    """What a worker says through the queue."""

    worker: int
    progress: Progress
    ready: bool
    lines: bytes  # of its journal, since it last said something


class ClusterTeam:
    """The first `workers` workers of the cluster at `address`, one shard on each."""

    def __init__(self, address: str, workers: int) -> None:
        try:
            import distributed
        except ImportError as error:
            raise ConfigError(
                "a cluster needs Dask: pip install 'pytest-llmbench[cluster]'"
            ) from error
        try:
            self._client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(f"{address}: no Dask scheduler answers there: {error}") from error
        self._addresses = self._alive()[:workers]
        if len(self._addresses) < workers:
            self._client.close()
            raise ConfigError(
                f"{address}: {workers} workers asked for, the cluster has {len(self._addresses)}"
            )
        self._clock = Clock()
        self._anchors = self._compare_clocks()
        self._refuse_slow()
        self._name = f"llmbench-{secrets.token_hex(8)}"
        self._commands = distributed.Variable(f"{self._name}-commands", client=self._client)
        self._queue = distributed.Queue(f"{self._name}-said", client=self._client)
        self._heard = [(NO_PROGRESS, False)] * workers
        self.ended: dict[int, str] = {}  # the scheduler looks after its workers
        self._files: dict[int, Path] = {}
        self._futures: dict[int, Future[Outcome]] = {}
        self._looked_s = 0.0
        self.tell(Control("wait"))

    def __enter__(self) -> "ClusterTeam":
        return self

    def __exit__(self, *exc: object) -> None:
        self._listen()
        with suppress(Exception):  # the cluster may be gone; there is nothing left to save
            self._commands.delete()
            self._queue.close()
        self._client.close()

    def submit(self, job: Job, journal_file: Path) -> Future[Outcome]:
        address = self._addresses[job.worker]
        self._files[job.worker] = journal_file
        executor = self._client.get_executor(
            workers=[address], allow_other_workers=False, pure=False, retries=0
        )
        anchored = replace(job, anchor_ns=self._anchors[address].anchor_ns)
        packed = self._client.scatter(msgspec.json.encode(anchored), workers=[address], hash=False)
        future: Future[Outcome] = Future()
        self._futures[job.worker] = future
        working = executor.submit(_work, packed, self._name)
        working.add_done_callback(lambda done: _pass_on(done, future, address))
        return future

    def tell(self, control: Control) -> None:
        self._commands.set(msgspec.json.encode(control))

    def heard(self, *, afresh: bool = False) -> Sequence[tuple[Progress, bool]]:
        if afresh or time.monotonic() - self._looked_s > LOOK_S:
            self._looked_s = time.monotonic()
            self._listen()
            self._miss()
        return self._heard

    def clock_error_ns(self) -> int:
        """The widest error now, including what a clock has moved since the start."""
        now = dict(self._anchors)
        with suppress(OSError):  # a cluster that is gone can't answer
            now |= self._compare_clocks()
        return max(
            each.error_ns + abs(each.anchor_ns - self._anchors[address].anchor_ns)
            for address, each in now.items()
        )

    def _compare_clocks(self) -> dict[str, AnchorBounds]:
        """Where the clock of each living worker stands on ours."""

        def ask() -> dict[str, int]:
            alive = set(self._alive())
            there = [address for address in self._addresses if address in alive]
            return dict(self._client.run(_monotonic_ns, workers=there, on_error="ignore"))

        return anchor_bounds(ask, self._clock)

    def _refuse_slow(self) -> None:
        for address, bounds in self._anchors.items():
            if bounds.error_ns > CLOCK_ERROR_NS:
                self._client.close()
                raise ConfigError(
                    f"{address}: its clock can be read to ±{bounds.error_ns / 1e6:.1f} ms only, "
                    f"limit {CLOCK_ERROR_NS / 1e6:g} ms, since its answers take too long: take "
                    "workers near the machine that runs pytest, with nothing else to do"
                )

    def _listen(self) -> None:
        """Take what the workers sent; their records go to disk at once."""
        for raw in self._queue.get(batch=True):
            said = msgspec.json.decode(raw, type=_Said)
            self._heard[said.worker] = (said.progress, said.ready)
            if said.lines:
                with Journal(self._files[said.worker]) as journal:
                    journal.append_lines(said.lines)

    def _miss(self) -> None:
        """Notice workers that are gone, as Dask itself would wait for them to come back."""
        alive = self._alive()
        for worker, future in self._futures.items():
            if self._addresses[worker] not in alive and not future.done():
                gone = f"{self._addresses[worker]} left the cluster"
                future.set_exception(WorkerLostError(gone))

    def _alive(self) -> list[str]:
        return list(self._client.scheduler_info(n_workers=-1)["workers"])


def _pass_on(done: "Future[bytes]", future: Future[Outcome], address: str) -> None:
    """Pass the end of Dask's future on to ours, unless its worker was given up meanwhile."""
    if future.done():
        return
    if done.cancelled():
        future.set_exception(WorkerLostError(f"{address} left the cluster"))
        return
    failure = done.exception()
    if failure is not None and type(failure).__module__.partition(".")[0] == "distributed":
        future.set_exception(WorkerLostError(f"{address}: {failure or type(failure).__name__}"))
    elif failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(msgspec.json.decode(done.result(), type=Outcome))


# what follows runs on the worker


def _monotonic_ns() -> int:
    return time.monotonic_ns()


class QueueChannel:
    """A worker's line to its director over the cluster, which also carries the records."""

    def __init__(self, name: str, worker: int) -> None:
        import distributed

        client = distributed.get_client()
        self._commands: Any = distributed.Variable(f"{name}-commands", client=client)
        self._queue: Any = distributed.Queue(f"{name}-said", client=client)
        self._worker = worker
        self._lines: deque[bytes] = deque()  # filled and emptied by two threads
        self._encode = msgspec.json.Encoder().encode

    def keep(self, record: RequestRecord) -> None:
        """Hold `record` until the next exchange."""
        self._lines.append(self._encode(record) + b"\n")

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        said = _Said(self._worker, now, ready, b"".join(lines))
        self._queue.put(self._encode(said))
        return msgspec.json.decode(self._commands.get(timeout=CONNECT_S), type=Control)


def _work(packed: bytes, name: str) -> bytes:
    job = msgspec.json.decode(packed, type=Job)
    channel = QueueChannel(name, job.worker)
    outcome = run_loop(run_shard(job, channel, channel.keep))
    return msgspec.json.encode(outcome)
