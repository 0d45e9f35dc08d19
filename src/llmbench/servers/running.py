"""What every kind of server offers once it runs, and the error of a start that failed."""

import re
import signal
from pathlib import Path
from typing import Protocol

from llmbench.records import Endpoint, ResourceSample

LOG_LINES = 20
"""The number of last log lines that an error shows."""

TAIL_BYTES = 65536
"""The end of a log file that is searched for them; a log may have gigabytes."""

LOG_HINTS = (
    (r"address already in use|couldn't bind", "the port is taken; stop what listens there"),
    (
        r"std::bad_alloc|cannot allocate memory|out of memory|MemoryError|failed to allocate",
        "out of memory; lower context_tokens or slots, or give the server more memory",
    ),
    (
        r"no such file|failed to open GGUF|failed to load model|error loading model",
        "the weights can't be loaded; check server.weights in the model's TOML",
    ),
    (
        r"No module named '?xllamacpp",
        "the embedded engine is missing; pip install 'pytest-llmbench[embedded]'",
    ),
    (r"sched_setaffinity", "not enough cores on this host"),
)
"""Patterns of log lines with hints; the hint of the first match is shown."""


class RunningServer(Protocol):
    """A server that answered; valid until the context that launched it is left."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the server is, which dialect it speaks and how it was started."""

    def died(self) -> str | None:
        """Why the server no longer runs; None while it does, and where that can't be known."""

    def cpu_ns(self) -> int | None:
        """The CPU time used so far, exact at this moment; None where that can't be known."""

    def sample(self) -> ResourceSample | None:
        """The present CPU and memory, without cell and repeat; None where they aren't known."""

    def pause(self) -> bool:
        """Stop it from running until `resume`; False where that can't be done."""

    def resume(self) -> None:
        """Let it run again; nothing where it wasn't paused."""


class LaunchError(RuntimeError):
    """A server did not start; the message says state, exit code, last log lines and a hint."""

    def __init__(
        self,
        server: str,
        state: str,
        *,
        exit_code: int | None = None,
        log_tail: tuple[str, ...] = (),
        log_file: Path | None = None,
        hint: str | None = None,
    ) -> None:
        self.server = server
        self.state = state
        self.exit_code = exit_code
        self.log_tail = log_tail
        self.log_file = log_file
        self.hint = hint or hint_of("\n".join((state, *log_tail)))
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [f"{self.server}: {self.state}"]
        if self.exit_code is not None:
            lines.append(f"  exit code: {self.exit_code}{signal_name(self.exit_code)}")
        if self.log_tail:
            lines.append(f"  last {len(self.log_tail)} log lines of {self.log_file}:")
            lines += [f"    {line}" for line in self.log_tail]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def hint_of(text: str) -> str | None:
    """The hint for a log that holds `text`; None where no pattern matches."""
    for pattern, hint in LOG_HINTS:
        if re.search(pattern, text, re.IGNORECASE):
            return hint
    return None


def signal_name(exit_code: int) -> str:
    """`` (killed by SIGKILL)`` for a negative exit code, else nothing."""
    if exit_code >= 0:
        return ""
    try:
        return f" (killed by {signal.Signals(-exit_code).name})"
    except ValueError:
        return f" (killed by signal {-exit_code})"


def tail(path: Path, lines: int = LOG_LINES) -> tuple[str, ...]:
    """The last `lines` lines of a log file; none where it can't be read."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-lines:])
