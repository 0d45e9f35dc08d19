"""The run directory: its files, and the journals that hold a run's records.

The journals hold what happened, as it happened. Everything else in the directory can be made
again from them.
"""

import fcntl
import os
import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from llmbench.config import ConfigError, ModelConfig
from llmbench.gauges import GaugeSample
from llmbench.journal import Journal, read_journal, writing
from llmbench.records import SCHEMA_VERSION, CellRun, RequestRecord, ResourceSample
from llmbench.results import Search

RecordT = TypeVar("RecordT", bound=Struct)


LATEST = "latest"
"""Beside the runs: what leads to the newest."""


class RunInfo(Struct, frozen=True):
    """``run.json``: what is needed to repeat the run, and to compare it with another one."""

    started_ns: int
    command: tuple[str, ...]
    seed: int
    harness: str  # version of pytest-llmbench
    measuring_version: int
    git_commit: str | None
    git_dirty: bool | None
    host: dict[str, Any]  # hostname, cpu, cores, memory_bytes, kernel, gpus, python
    packages: dict[str, str]
    models: tuple[ModelConfig, ...]
    prompts: dict[str, Any] = {}  # by tokenizer: source, kind (real or synthetic), hashes
    options: dict[str, Any] = {}  # of the command line that differ from the default
    detected: dict[str, Any] = {}  # what the server of --llm-url told about itself
    schema: int = SCHEMA_VERSION
    ended_ns: int | None = None  # None: the run did not end by itself
    notes: tuple[str, ...] = ()


class RunDir:
    """The paths and the records of one run's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable: dict[Path, int] = {}  # number of damaged lines in each journal

    @classmethod
    def create(cls, parent: Path, commit: str | None) -> "RunDir":
        """A new directory ``<utc>-<sha>`` in `parent`, with a number if that name is taken."""
        stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{(commit or 'nogit')[:8]}"
        for number in range(1, 1000):
            path = parent / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir(parents=True)
                return cls(path)
            except FileExistsError:
                continue
        raise ConfigError(f"{parent}: no free name for a run; give --llm-run-dir")

    @classmethod
    def create_at(cls, path: Path) -> "RunDir":
        """A run in exactly `path`, which must not hold another run."""
        check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunDir":
        """An existing run; `ConfigError` where `path` is not a run directory."""
        path = run_at(path)
        if not (path / "run.json").is_file():
            raise ConfigError(f"{path}: not a run directory: it has no run.json")
        return cls(path)

    @property
    def info_file(self) -> Path:
        return self.path / "run.json"

    @property
    def cells_file(self) -> Path:
        return self.path / "cells.csv"

    @property
    def resources_file(self) -> Path:
        return self.path / "resources.csv"

    @property
    def parquet_file(self) -> Path:
        return self.path / "requests.parquet"

    @property
    def server_metrics_file(self) -> Path:
        return self.path / "server_metrics.parquet"

    @property
    def charts(self) -> Path:
        return self.path / "charts"

    @property
    def page_file(self) -> Path:
        return self.path / "index.html"

    @property
    def logs(self) -> Path:
        """Log files of the servers that were launched."""
        return self.path / "logs"

    def requests_file(self, cell_id: str) -> Path:
        return self.path / "requests" / f"{cell_id}.csv"

    def journal_file(self, cell_id: str, repeat: int, worker: int = 0) -> Path:
        """The file to which a worker writes the `RequestRecord`s of one repeat of a cell."""
        return self.path / "journal" / "requests" / cell_id / f"{repeat}.{worker}.jsonl"

    def digest_file(self, cell_id: str, repeat: int) -> Path:
        """Where the digest of that repeat of that cell is kept."""
        return self.path / "digests" / cell_id / f"{repeat}.json"

    def append_cell_run(self, run: CellRun) -> None:
        with Journal(self.path / "journal" / "cells.jsonl") as journal:
            journal.append(run)

    def append_cell_start(self, run: CellRun) -> None:
        """Note that a repeat of a cell begins, with all that is known about it by then."""
        with Journal(self.path / "journal" / "starts.jsonl") as journal:
            journal.append(run)

    def append_search(self, search: Search) -> None:
        with Journal(self.path / "journal" / "searches.jsonl") as journal:
            journal.append(search)

    def searches(self) -> list[Search]:
        """The answers of the searches for the most load, in the order in which they ran."""
        return list(self._read(self.path / "journal" / "searches.jsonl", Search))

    def append_samples(self, samples: Iterable[ResourceSample]) -> None:
        with Journal(self.path / "journal" / "resources.jsonl") as journal:
            for sample in samples:
                journal.append(sample)

    def append_gauges(self, sample: GaugeSample) -> None:
        with Journal(self.path / "journal" / "gauges.jsonl") as journal:
            journal.append(sample)

    def cell_runs(self) -> list[CellRun]:
        """Every repeat of every cell that ended, in the order in which they ran."""
        return list(self._read(self.path / "journal" / "cells.jsonl", CellRun))

    def cell_starts(self) -> list[CellRun]:
        """Every repeat of every cell that began, in the order in which they ran."""
        return list(self._read(self.path / "journal" / "starts.jsonl", CellRun))

    def samples(self) -> list[ResourceSample]:
        return list(self._read(self.path / "journal" / "resources.jsonl", ResourceSample))

    def gauges(self) -> list[GaugeSample]:
        """Every reading of the servers' own gauges, in the order in which they were taken."""
        return list(self._read(self.path / "journal" / "gauges.jsonl", GaugeSample))

    def requests(
        self, cell_id: str | None = None, repeat: int | None = None
    ) -> Iterator[RequestRecord]:
        """The records of all cells, of one, or of one repeat; also of those that did not end."""
        folder = self.path / "journal" / "requests"
        cells = folder.glob("*") if cell_id is None else [folder / cell_id]
        pattern = f"{repeat or '*'}.*.jsonl"
        for path in sorted(path for cell in cells for path in cell.glob(pattern)):
            yield from self._read(path, RequestRecord)

    def unreadable_note(self) -> str | None:
        """A sentence on the damaged lines in the journals read so far; None if there are none."""
        lines = sum(self.unreadable.values())
        if not lines:
            return None
        files = ", ".join(str(p.relative_to(self.path)) for p, n in self.unreadable.items() if n)
        are = "line could not be read and is" if lines == 1 else "lines could not be read and are"
        return f"{lines} {are} left out: {files}"

    def _read(self, path: Path, kind: type[RecordT]) -> Iterator[RecordT]:
        """The records of a journal; the number of its damaged lines goes into `unreadable`."""
        damaged = 0
        for record in read_journal(path, kind):
            if record is None:
                damaged += 1
            else:
                yield record
        self.unreadable[path] = damaged

    def write_info(self, info: RunInfo) -> None:
        """Replace ``run.json``, whole or not at all."""
        replace_file(self.info_file, msgspec.json.format(msgspec.json.encode(info), indent=2))

    def info(self) -> RunInfo:
        """What ``run.json`` says; `ConfigError` when it is damaged or of another schema."""
        try:
            return msgspec.json.decode(self.info_file.read_bytes(), type=RunInfo)
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(
                f"{self.info_file}: damaged, or of another version: {error}"
            ) from error


def run_at(path: Path) -> Path:
    """`path`; or, where ``latest`` could not be a link, the run beside it that this file names."""
    if path.name != LATEST or not path.is_file():
        return path
    return path.with_name(path.read_text(encoding="utf-8").strip())


def check_free(path: Path) -> None:
    """`ConfigError` where no new run can be made at exactly `path`."""
    if (path / "run.json").exists():
        raise ConfigError(f"{path}: a run is there already; name another directory")
    for place in (path, *path.parents):
        if place.is_dir():
            return
        if place.exists():
            raise ConfigError(f"{place}: is a file, and no run can be kept in it; name a directory")


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` so that a reader sees either the old file or the new one, never a part.

    `WriteError` says that it can't be written; no part is left then.
    """
    with replacing(path) as part:
        part.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place to write a new file at, which replaces `path` when all of it is written.

    It has a name of its own: sessions that replace the same file at once don't write into each
    other's parts. `WriteError` where it can't be written; no part is left then.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path, waits: Callable[[], None]) -> Iterator[None]:
    """Only one session of this host at a time is in `folder`; `waits` is called before a wait.

    Where the file system has no locks, or the folder can't be made, nobody waits.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            place = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, place)
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(place, fcntl.LOCK_EX)
        yield


def git_commit(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of `folder`'s repository and whether it has changes; None without a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _git(folder: Path, *args: str) -> str:
    out = subprocess.run(["git", "-C", folder, *args], capture_output=True, check=True, text=True)
    return out.stdout.strip()
