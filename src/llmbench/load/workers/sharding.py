"""Runs the same shard function in many workers, for a load that one core can't carry.

Each worker (a process here, or a worker of a Dask cluster) has a `concurrent.futures.Executor` of
its own, so that one that dies takes no other along. Plans are drawn once and dealt. The workers and
this process talk over a `Channel`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, wait
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from llmbench.journal import Journal
from llmbench.load.progress import Progress
from llmbench.load.workers.director import Director
from llmbench.load.workers.lost_requests import lost_requests
from llmbench.load.workers.messages import Control, Job, Outcome, Questions, Team, WorkerLostError
from llmbench.load.workers.processes import LocalTeam
from llmbench.load.workers.worker import share_of

POLL_S = 0.05  # how often the director looks at its workers
ABORT_S = 5.0  # for workers to end after a Ctrl-C


class Sharded(Struct, frozen=True):
    """The outcomes of the workers that lived, and why each other one died."""

    outcomes: tuple[Outcome, ...]
    lost: tuple[str, ...]
    clock_error_ns: int = 0


def run_shards(
    job: Job,
    journal_file: Callable[[int], Path],
    cores: tuple[int, ...],
    cluster: str | None,
    progress: Callable[[Progress], None] | None,
    questions: Questions,
) -> Sharded:
    """Deal `job` to its workers, direct them, and gather their outcomes.

    It raises what a worker raised. A worker that died is in `Sharded.lost`; its records are kept,
    and what it had under way is recorded as ``worker_died``.
    """
    jobs = [replace(job, worker=worker) for worker in range(job.workers)]
    share_of(jobs[0])  # a plan that can't be carried out is refused here, before any start
    files = [journal_file(worker) for worker in range(job.workers)]
    with _team(job, cores, cluster) as team:
        director = Director(job, team, progress, questions)
        futures = [team.submit(each, file) for each, file in zip(jobs, files, strict=True)]
        try:
            _direct(futures, director)
        except BaseException:
            team.tell(Control("abort", why="interrupted"))
            wait(futures, timeout=ABORT_S)
            raise
        clock_error_ns = team.clock_error_ns()
    outcomes, lost = _gather(jobs, files, futures, director, team.ended)
    return Sharded(outcomes, lost, clock_error_ns)


def _team(job: Job, cores: tuple[int, ...], cluster: str | None) -> Team:
    if cluster is None:
        return LocalTeam(job.workers, cores)
    from llmbench.load.workers.dask import ClusterTeam

    return ClusterTeam(cluster, job.workers)


def _direct(futures: Sequence[Future[Outcome]], director: Director) -> None:
    """Direct the workers until all are done; if one is lost the others send no more."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=POLL_S)
        for future in done:
            failure = future.exception()
            if failure is not None and not isinstance(failure, BrokenExecutor | WorkerLostError):
                raise failure
            if failure is not None:
                director.stop(f"a worker died: {failure or type(failure).__name__}")
        director.look(over=not pending)


def _gather(
    jobs: Sequence[Job],
    files: Sequence[Path],
    futures: Sequence[Future[Outcome]],
    director: Director,
    ended: Mapping[int, str],
) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
    """The outcomes of the workers that lived, and why each other one died or was `ended`."""
    outcomes: list[Outcome] = []
    lost: list[str] = []
    for job, file, future in zip(jobs, files, futures, strict=True):
        failure = future.exception()
        if failure is None:
            outcomes.append(future.result())
            continue
        why = ended.get(job.worker) or str(failure) or type(failure).__name__
        lost.append(f"worker {job.worker} died: {why}")
        with Journal(file) as journal:
            for record in lost_requests(job, file, director.began_unix_ns, lost[-1]):
                journal.append(record)
    if not outcomes:
        outcomes.append(director.nothing())
    return tuple(outcomes), tuple(lost)
