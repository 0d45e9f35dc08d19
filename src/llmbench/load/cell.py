"""Runs one cell: the room's front door."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llmbench.cells import Cell
from llmbench.load.progress import Progress
from llmbench.load.shard import Job, Outcome, run_shard
from llmbench.records import CellRun, Endpoint, Prompt
from llmbench.store import RunDir

Watch = Callable[[Progress], None]


def run_cell(
    cell: Cell,
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    *,
    run: RunDir,
    repeat: int,
    seed: int,
    prompts_sha256: str,
    cores: tuple[int, ...] = (),
    workers: int = 1,
    cluster: str | None = None,
    progress: Watch | None = None,
    died: Callable[[], str | None] | None = None,
    warmup_per_user: int = 1,
) -> CellRun:
    """Put the load of `cell` on `endpoint`; every request is in the run's journal at once.

    `cores` are those that the client keeps to. `died` tells why the server no longer runs; it
    is asked about once a second, and ends the cell. Raises `ConfigError` before anything is
    sent when the plan can't be carried out.
    """
    job = Job(
        cell=cell,
        endpoint=endpoint,
        prompts=tuple(prompts),
        repeat=repeat,
        seed=seed,
        warmup_per_user=warmup_per_user,
        journal=str(run.journal_file(cell.id, repeat)),
    )
    with pinned(cores):
        outcome = asyncio.run(run_shard(job, progress=progress, died=died))
    return _cell_run(job, [outcome], prompts_sha256, cores, workers)


@contextmanager
def pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """This thread on `cores` for as long as it lasts; where the system can't, nothing."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _cell_run(
    job: Job,
    outcomes: Sequence[Outcome],
    prompts_sha256: str,
    cores: tuple[int, ...],
    workers: int,
) -> CellRun:
    notes = tuple(dict.fromkeys(note for outcome in outcomes for note in outcome.notes))
    reasons = [outcome.server_died for outcome in outcomes if outcome.server_died]
    return CellRun(
        cell=job.cell,
        cell_id=job.cell.id,
        repeat=job.repeat,
        started_ns=min(outcome.started_ns for outcome in outcomes),
        ended_ns=max(outcome.ended_ns for outcome in outcomes),
        endpoint=job.endpoint,
        seed=job.seed,
        prompts_sha256=prompts_sha256,
        warmup_per_user=job.warmup_per_user,
        dropped=sum(outcome.dropped for outcome in outcomes),
        client_cpu_ns=sum(outcome.cpu_ns for outcome in outcomes),
        client_cores=cores,
        workers=workers,
        step_ends_ns=outcomes[0].step_ends_ns,
        server_died=reasons[0] if reasons else None,
        notes=notes,
    )
