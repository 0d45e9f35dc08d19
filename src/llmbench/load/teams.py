"""The team that carries a cell's load, seen from the process that directs it."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from llmbench.load.channel import Control
from llmbench.load.progress import Progress
from llmbench.load.shard import Job, Outcome


class Team(Protocol):
    """Workers, each with its own executor. Leaving the context ends them all."""

    def __enter__(self) -> "Team": ...

    def __exit__(self, *exc: object) -> None: ...

    def submit(self, job: Job, journal_file: Path) -> Future[Outcome]:
        """Have a worker carry out `job`; its records go into `journal_file`."""

    def tell(self, control: Control) -> None:
        """Tell all workers."""

    def heard(self, *, afresh: bool = False) -> Sequence[tuple[Progress, bool]]:
        """How far each worker is, and whether it is ready to begin; `afresh`: as of now."""
