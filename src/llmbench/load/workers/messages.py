"""What a worker and whoever directs it say to each other: job, commands, progress, outcome."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from llmbench.cells import Cell
from llmbench.load.plan.shapes import Plan, plan
from llmbench.load.progress import Progress
from llmbench.records import Endpoint, Prompt

ASK_PERIOD_S = 1.0
"""How often it is asked whether the server still runs."""


class Control(Struct, frozen=True):
    """What to do now. `begin_unix_ns` is when the load starts; None: as soon as ready.

    `step` is that of a ramp which all are to be in, from `step_begin_unix_ns` on.
    """

    command: Literal["wait", "run", "stop", "server_died", "abort"]
    begin_unix_ns: int | None = None
    why: str = ""
    step: int = 0
    step_begin_unix_ns: int | None = None


RUN = Control("run")
WAIT = Control("wait")


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
    anchor_ns: int | None = None  # its clock's, on the director's; None: it is on this host
    seen: tuple[int, ...] = ()  # indexes of prompts that this server was sent before

    @property
    def plan(self) -> Plan:
        """The whole load, before it is dealt."""
        return plan(
            self.cell, seed=self.seed, repeat=self.repeat, warmup_per_user=self.warmup_per_user
        )


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
    prompts_sent: tuple[int, ...] = ()  # their indexes, each once


class WorkerLostError(RuntimeError):
    """A worker is gone, and what it had under way with it."""


class Channel(Protocol):
    """A worker's line to its director."""

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        """Tell how far it is, hear what to do. Called off the event loop, a few times a second;
        it may block."""


class Team(Protocol):
    """Workers, each with its own executor. Leaving the context ends them all."""

    def __enter__(self) -> "Team": ...

    def __exit__(self, *exc: object) -> None: ...

    def submit(self, job: Job, journal_file: Path) -> Future[Outcome]:
        """Have a worker carry out `job`; its records go into `journal_file`."""

    def clock_error_ns(self) -> int:
        """How far a worker's stamps can be from the director's clock."""

    def tell(self, control: Control) -> None:
        """Tell all workers."""

    def heard(self, *, afresh: bool = False) -> Sequence[tuple[Progress, bool]]:
        """How far each worker is, and whether it is ready to begin; `afresh`: as of now."""
