"""The process between the referee and a client, which counts the CPU time of all that it starts.

It adopts the orphans among the client's processes, so that the time of each comes back to it: in
the end by rusage, on the way by a look at those that run, four times a second. It keeps to the
server's cores itself, as the client's shall be the client's alone.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import msgspec
from msgspec import Struct

from llmbench.clock import Clock
from llmbench.process import (
    adopt_orphans,
    allow_many_connections,
    begin_child,
    die_with_parent,
    end_all,
    pin,
)
from llmbench.servers import ProcessTree

LOOK_S = 0.25


class SupervisedClient(Struct, frozen=True):
    """A command without placeholders, and where it runs and for how long at most."""

    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    log_file: str
    cores: tuple[int, ...]
    own_cores: tuple[int, ...]
    timeout_s: float


class ClientUse(Struct, frozen=True):
    """How a client ended, and the CPU time (ns) that its processes had used at each moment.

    Times are monotonic. The last look is of all processes, once they have ended. `exit_code` is
    None for a client that had to be ended.
    """

    exit_code: int | None
    started_ns: int
    looks: tuple[tuple[int, int], ...]

    @property
    def cpu_ns(self) -> int:
        """All its CPU time."""
        return self.looks[-1][1]

    def cpu_between_ns(self, begin_ns: int, end_ns: int) -> float:
        """Its CPU time between two moments, with straight lines between the looks."""
        import numpy as np

        times, used = zip(*self.looks, strict=True)
        begin, end = np.interp((begin_ns, end_ns), times, used)
        return float(end - begin)


def main(argv: list[str]) -> int:
    """Run the client to its end, or to its time-out, and tell its use on the pipe."""
    signal.signal(signal.SIGTERM, _stop)
    text, writer = begin_child(argv, signal.SIGTERM)
    settings = msgspec.json.decode(text, type=SupervisedClient)
    adopt_orphans()
    allow_many_connections()
    pin(settings.own_cores)
    try:
        use = _run(settings)
    except _Stopped:
        return 1
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(msgspec.json.encode(use))
    return 0


def _run(settings: SupervisedClient) -> ClientUse:
    """The client's use; one that can't be started ends with 127, as in a shell, and says why."""
    started_ns = time.monotonic_ns()
    looks = [(started_ns, 0)]
    with Path(settings.log_file).open("wb") as log:
        try:
            client = _start(settings, log)
        except OSError as error:
            log.write(f"can't be started: {error.strerror}\n".encode())
            return ClientUse(127, started_ns, tuple(looks))
    _step_aside()
    try:
        exit_code = _watch(client, started_ns + int(settings.timeout_s * 1e9), looks)
    finally:
        end_all()
        _reap()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    looks.append((time.monotonic_ns(), int((spent.ru_utime + spent.ru_stime) * 1e9)))
    return ClientUse(exit_code, started_ns, tuple(looks))


def _start(settings: SupervisedClient, log: BinaryIO) -> "subprocess.Popen[bytes]":
    """Start the client in a session and a folder of its own, its output in its log."""
    return subprocess.Popen(
        settings.command,
        cwd=settings.folder,
        env=os.environ | settings.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=partial(_begin, os.getpid(), settings.cores),  # noqa: PLW1509 (no threads)
    )


def _step_aside() -> None:
    """Give way to the server, on whose core the looks are taken, as far as can be."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(19)


def _begin(parent: int, cores: tuple[int, ...]) -> None:
    """Do, in the client's process before its program, what ties it to us and to its cores."""
    die_with_parent(parent)
    pin(cores)


def _watch(
    client: "subprocess.Popen[bytes]", until_ns: int, looks: list[tuple[int, int]]
) -> int | None:
    """Look at the CPU time until the client ends; None when it hasn't by `until_ns`."""
    tree = ProcessTree(os.getpid(), "client", None, Clock(), supervised=True)
    while time.monotonic_ns() < until_ns:
        try:
            return client.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            tree.sample()
            used_ns = tree.cpu_ns()
            if used_ns is not None:
                looks.append((time.monotonic_ns(), used_ns))
    return None


def _reap() -> None:
    """Wait for all that has ended, whose time is counted only then."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


class _Stopped(Exception):
    """This process was told to end."""


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
