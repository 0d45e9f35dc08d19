"""Starts a server's process, learns its port, keeps its log, and makes sure that it ends.

The child gets its settings as one JSON argument and announces its port on a pipe, so that no
port is guessed. It runs in a session of its own: Ctrl-C in the terminal reaches only the
harness, which then ends the child. The child also dies with its parent, whatever ends that.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from llmbench.servers.running import LaunchError, tail

STOP_S = 5.0
"""The time that a child has to end after SIGTERM before it gets SIGKILL."""


class Child:
    """A child process that has announced its port."""

    def __init__(
        self,
        name: str,
        popen: subprocess.Popen[bytes],
        command: tuple[str, ...],
        log_file: Path,
        stop_s: float = STOP_S,
    ) -> None:
        self.name = name
        self.command = command
        self.log_file = log_file
        self.port = 0
        self._popen, self._stop_s = popen, stop_s

    @property
    def pid(self) -> int:
        return self._popen.pid

    def failure(self) -> LaunchError | None:
        """How the process ended, with its last log lines; None while it runs."""
        code = self._popen.poll()
        return None if code is None else self.error("the server's process ended", code)

    def error(self, state: str, code: int | None = None, hint: str | None = None) -> LaunchError:
        """An error that says `state` and shows the end of the log."""
        log = tail(self.log_file)
        return LaunchError(
            self.name, state, exit_code=code, log_tail=log, log_file=self.log_file, hint=hint
        )

    def wait(self, timeout_s: float) -> int | None:
        """The exit code once the process has ended; None when it has not ended in time."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the process and its group with SIGTERM and, after a wait, with SIGKILL."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self._popen.poll() is None:
                self._signal(signum)
                self._signal(signal.SIGCONT)  # one that is paused would not hear SIGTERM
                self.wait(self._stop_s)
        self._signal(signal.SIGKILL)  # for all that it left in its group

    def _signal(self, signum: int) -> None:
        try:
            os.killpg(self._popen.pid, signum)
        except (ProcessLookupError, PermissionError):
            return


@contextmanager
def running_child(
    name: str,
    module: str,
    settings: Struct,
    *,
    log_file: Path,
    timeout_s: float,
    stop_s: float | None = None,
) -> Iterator[Child]:
    """Run ``python -m module SETTINGS`` until the context is left, which opens at its port.

    `LaunchError` says that it ended before that, or announced no port within `timeout_s`. `stop_s`
    is the time that it has to end (None: `STOP_S`).
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    command = [
        sys.executable,
        "-m",
        module,
        msgspec.json.encode(settings).decode(),
        str(os.getpid()),
        str(writer),
    ]
    try:
        with log_file.open("ab") as log:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(writer,),
                start_new_session=True,
            )
    finally:
        os.close(writer)
    child = Child(name, popen, tuple(command[:4]), log_file, STOP_S if stop_s is None else stop_s)
    try:
        child.port = _announced_port(child, reader, timeout_s)
        yield child
    finally:
        os.close(reader)
        child.stop()


def _announced_port(child: Child, reader: int, timeout_s: float) -> int:
    """The port that the child writes to the pipe; a pipe that closes first means that it died."""
    ready, _, _ = select.select([reader], [], [], timeout_s)
    if not ready:
        raise child.error(
            f"not listening after {timeout_s:g} s (start_timeout_s)",
            hint="raise server.start_timeout_s in the model's TOML, or give it more cores",
        )
    text = os.read(reader, 64)
    if not text:
        raise child.error("the server's process ended before it listened", child.wait(STOP_S))
    return int(text)
