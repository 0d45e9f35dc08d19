"""The messages between a worker and its director: job, commands, progress, outcome."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from llmbench.cells import Cell
from llmbench.load.plan.shapes import Plan, plan
from llmbench.load.progress import Progress
from llmbench.records import Endpoint, Prompt
from llmbench.traffic import Material, times_s

ASK_PERIOD_S = 1.0
"""The time between two questions whether the server still runs."""


class Control(Struct, frozen=True):
    """A command; `begin_unix_ns` is when the load starts (None: as soon as ready).

    `step` is the step of a ramp that all workers are to be in, from `step_begin_unix_ns` on.
    """

    command: Literal["wait", "run", "stop", "server_died", "cut_short", "abort"]
    begin_unix_ns: int | None = None
    why: str = ""
    step: int = 0
    step_begin_unix_ns: int | None = None


class Questions(Struct, frozen=True):
    """What is asked about once a second while load runs; each answers why, or None."""

    died: Callable[[], str | None] | None = None  # why the server no longer runs
    enough: Callable[[], str | None] | None = None  # why no more needs to be measured

    def control(self, begin_unix_ns: int | None = None) -> Control | None:
        """The command that follows from the answers, if any."""
        if self.died is not None and (why := self.died()) is not None:
            return Control("server_died", begin_unix_ns, why)
        if self.enough is not None and (why := self.enough()) is not None:
            return Control("cut_short", begin_unix_ns, why)
        return None


RUN = Control("run")
WAIT = Control("wait")


class Job(Struct, frozen=True):
    """What a worker needs to know; it crosses processes and hosts."""

    cell: Cell
    endpoint: Endpoint
    prompts: tuple[Prompt, ...]
    repeat: int
    seed: int
    warmup_per_user: int
    salt: str  # keeps this run's requests apart from all others in the server's caches
    worker: int = 0
    workers: int = 1
    anchor_ns: int | None = None  # of its clock on the director's; None: it is on this host
    seen: tuple[int, ...] = ()  # indexes of texts that this server was sent before
    material: Material | None = None  # of the cell's traffic, instead of the prompts

    @property
    def plan(self) -> Plan:
        """The whole load, before it is dealt."""
        return plan(
            self.cell,
            seed=self.seed,
            repeat=self.repeat,
            warmup_per_user=self.warmup_per_user,
            times_s=times_s(self.material),
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """What it sends, in the order of the indexes that stand for it."""
        if self.material is not None:
            return self.material.texts
        return tuple(prompt.text for prompt in self.prompts)


class Outcome(Struct, frozen=True):
    """What a worker says at the end, besides its records."""

    started_ns: int
    ended_ns: int
    cpu_ns: int
    dropped: int
    sent: int
    step_ends_ns: tuple[tuple[int, int], ...] = ()
    server_died: str | None = None
    cut_short: str | None = None
    stopped: str | None = None
    prompts_sent: tuple[int, ...] = ()  # their indexes, each once


class WorkerLostError(RuntimeError):
    """A worker is gone, with all that it had under way."""


class Channel(Protocol):
    """A worker's line to its director."""

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        """Say how far the worker is, and hear what to do.

        This is called outside of the event loop, a few times a second, and may block.
        """


class Team(Protocol):
    """Workers, each with its own executor; leaving the context ends all of them."""

    ended: dict[int, str]
    """Why it ended a worker itself, by the worker's number."""

    def __enter__(self) -> "Team": ...

    def __exit__(self, *exc: object) -> None: ...

    def submit(self, job: Job, journal_file: Path) -> Future[Outcome]:
        """Have a worker carry out `job`; its records go into `journal_file`."""

    def clock_error_ns(self) -> int:
        """The most that a worker's stamps can be off the director's clock."""

    def tell(self, control: Control) -> None:
        """Tell all workers what to do."""

    def heard(self, *, afresh: bool = False) -> Sequence[tuple[Progress, bool]]:
        """How far each worker is, and whether it is ready to begin; with `afresh`, as of now."""
