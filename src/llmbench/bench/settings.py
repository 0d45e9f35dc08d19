"""The settings of a session, whoever starts it."""

from pathlib import Path

from msgspec import Struct

AB_TIME_S = 300.0
"""Five minutes: what a pull request can wait for."""


class Settings(Struct, frozen=True):
    """The settings that hold for all cells of a session."""

    runs_dir: Path
    prompts_dir: Path
    prompt_source: str | None = None
    run_dir: Path | None = None  # an exact place for this run; None: a new folder in runs_dir
    seed: int = 1
    repeats: tuple[int, int] = (1, 1)
    workers: int = 1
    cluster: str | None = None
    ab_time_s: float = AB_TIME_S  # the longest load of A against B
    search_time_s: float | None = None  # of a search; None: what `time_of_search` says
    warmup_per_user: int = 1
    command: tuple[str, ...] = ()
    options: dict[str, str] = {}

    @property
    def workers_here(self) -> int:
        """The number of load generating processes on this host; a cluster's run elsewhere."""
        return self.workers if self.cluster is None else 1
