"""A team of processes on this host, each with a core of its own if there are enough."""

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmbench.journal import Journal
from llmbench.load.loops.aborting import Standstill
from llmbench.load.progress import NO_PROGRESS, Progress
from llmbench.load.wire.polling import run_loop
from llmbench.load.workers.messages import Control, Job, Outcome
from llmbench.load.workers.worker import run_shard
from llmbench.process import end_with, pinned

_COMMANDS = ("wait", "run", "stop", "server_died", "cut_short", "abort")
_WHY_BYTES = 400  # more than a record keeps of an error (300)
_FIELDS = 12  # of Progress, then: ready, pid
_READY, _PID = 10, 11
END_S = 3.0  # for workers to end by themselves before they are killed
SILENT_S = 15.0  # for a worker that reports four times a second; a busy host may hold it up


class Board:
    """Memory shared by a team's processes: a row of counts for each, and one command.

    Readers may see a count that is one change old, but never one that makes no sense.
    """

    def __init__(self, workers: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.rows: list[Any] = [spawn.RawArray(ctypes.c_int64, _FIELDS) for _ in range(workers)]
        self.command: Any = spawn.RawArray(ctypes.c_int64, 4)
        self.why: Any = spawn.RawArray(ctypes.c_char, _WHY_BYTES)


class BoardChannel:
    """A worker's line to its director, over the board."""

    def __init__(self, board: Board, worker: int) -> None:
        self._board, self._row = board, board.rows[worker]

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        total = -1 if now.total is None else now.total
        elapsed_us = round(now.elapsed_s * 1e6)
        self._row[:_READY] = [
            now.sent,
            now.done,
            now.failed,
            now.output_tokens,
            total,
            now.in_flight,
            elapsed_us,
            now.users,
            now.steps_held,
            round(now.step_rate_per_s * 1e6),
        ]
        self._row[_READY] = ready
        command, begin_unix_ns, step, step_begin_unix_ns = self._board.command
        why = self._board.why.value.decode(errors="replace")
        return Control(
            _COMMANDS[command],  # type: ignore[arg-type]
            begin_unix_ns or None,
            why,
            step,
            step_begin_unix_ns or None,
        )


class LocalTeam:
    """Processes, each in an executor of its own."""

    def __init__(self, workers: int, cores: tuple[int, ...]) -> None:
        self._board = Board(workers)
        spawn = multiprocessing.get_context("spawn")
        self._executors = [
            ProcessPoolExecutor(1, spawn, _begin, (self._board, worker, os.getpid(), cores))
            for worker in range(workers)
        ]
        self._standstills = [Standstill() for _ in range(workers)]
        self._futures: dict[int, Future[Outcome]] = {}
        self.ended: dict[int, str] = {}

    def __enter__(self) -> "LocalTeam":
        return self

    def __exit__(self, *exc: object) -> None:
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + END_S
        while any(_is_alive(row[_PID]) for row in self._board.rows):
            if time.monotonic() > deadline:
                for row in self._board.rows:
                    _kill(row[_PID])
            time.sleep(0.01)
        for executor in self._executors:
            executor.shutdown(wait=True)

    def submit(self, job: Job, journal_file: Path) -> Future[Outcome]:
        future = self._executors[job.worker].submit(_work, job, str(journal_file))
        self._futures[job.worker] = future
        return future

    def clock_error_ns(self) -> int:
        return 0  # one host has one clock

    def tell(self, control: Control) -> None:
        self._board.why.value = control.why.encode()[: _WHY_BYTES - 1]
        self._board.command[1] = control.begin_unix_ns or 0
        self._board.command[2] = control.step
        self._board.command[3] = control.step_begin_unix_ns or 0
        self._board.command[0] = _COMMANDS.index(control.command)

    def heard(self, *, afresh: bool = False) -> Sequence[tuple[Progress, bool]]:
        self._end_silent()
        return [(_progress(row), bool(row[_READY])) for row in self._board.rows]

    def _end_silent(self) -> None:
        """Kill each worker that runs but has said nothing for long, so that nobody waits for it."""
        for worker, (row, standstill) in enumerate(
            zip(self._board.rows, self._standstills, strict=True)
        ):
            at_work = bool(row[_PID]) and not self._futures[worker].done()
            if standstill.seconds(tuple(row), counts=at_work) > SILENT_S:
                self.ended.setdefault(worker, f"it said nothing for {SILENT_S:g} s and was ended")
                _kill(row[_PID])


def _progress(row: Any) -> Progress:
    if not row[_PID]:
        return NO_PROGRESS
    sent, done, failed, tokens, total, in_flight, elapsed_us, users, held, rate = row[:_READY]
    whole, elapsed_s = None if total < 0 else total, elapsed_us / 1e6
    return Progress(
        sent, done, failed, tokens, whole, in_flight, elapsed_s, users, held, rate / 1e6
    )


def _is_alive(pid: int) -> bool:
    """Whether our child `pid` still runs; if not, it is reaped."""
    if not pid:
        return False
    alive = {child.pid for child in multiprocessing.active_children()}
    return pid in alive


def _kill(pid: int) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# what follows runs in the worker's process

_channel: BoardChannel | None = None
_core: tuple[int, ...] = ()


def _begin(board: Board, worker: int, parent: int, cores: tuple[int, ...]) -> None:
    """Prepare a worker: its place on the board, its core, and its end with its parent.

    A Ctrl-C, or the end of the terminal, reaches the whole group; the director then tells the
    workers what to do.
    """
    global _channel, _core  # noqa: PLW0603
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _channel = BoardChannel(board, worker)
    _core = (cores[worker % len(cores)],) if cores else ()
    board.rows[worker][_PID] = os.getpid()
    end_with(parent)


def _work(job: Job, journal_file: str) -> Outcome:
    assert _channel is not None
    with pinned(_core), Journal(Path(journal_file)) as journal:
        return run_loop(run_shard(job, _channel, journal.append))
