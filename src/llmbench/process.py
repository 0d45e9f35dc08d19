"""Lets a process keep to its cores, end by signals and with its parent, and open many sockets.

`begin_child` and `announce` are the child's half of the agreement between `llmbench.servers` and
the processes that it starts: settings come as an argument, and the port goes back over a pipe.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
PARENT_POLL_S = 0.5
DESTRUCTOR_S = 0.05

GRACE_S = 10.0
"""The time that descendants have to end after SIGTERM before they get SIGKILL."""


def pin(cores: tuple[int, ...]) -> None:
    """Keep this process, and what it starts from now on, on `cores`.

    This does nothing if `cores` is empty, or on a system that can't do it (macOS).
    """
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


@contextmanager
def pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """Keep this thread on `cores` while the context is open, if the system can do that."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_many_connections() -> int:
    """Raise this process's limit of open files as far as it may be raised; what it is then.

    Many systems begin with 1,024, which a thousand streams exceed.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return open_files_limit()


def open_files_limit() -> int:
    """How many files this process may have open at once."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def open_files() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP (the terminal is gone) end as Ctrl-C does while the context is open.

    The first one raises `KeyboardInterrupt`, so that what runs is stopped; later ones find that
    under way and do nothing: a dropped connection brings two. A signal that is ignored (nohup)
    stays ignored, and whatever handlers there were are put back. Python lets only the main thread
    do this; on another one nothing changes.

    One that comes in a destructor comes again a moment later, since what is raised there is lost.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _in_destructor(frame):
            again = threading.Timer(DESTRUCTOR_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt(signal.Signals(number).name)

    before = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        before = {n: h for n, h in handlers.items() if h not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_destructor(frame: FrameType | None) -> bool:
    """Whether a ``__del__`` is running at `frame`."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def begin_child(argv: list[str], signum: int = signal.SIGKILL) -> tuple[bytes, int]:
    """Tie a child to its parent, first thing in its ``main``; return its settings and the pipe.

    The settings are JSON. `signum` is the signal that the child gets when its parent ends.
    """
    settings, parent, writer = argv
    die_with_parent(int(parent), signum)
    return settings.encode(), int(writer)


def announce(writer: int, port: int) -> None:
    """Tell the parent the port of this child."""
    os.write(writer, str(port).encode())
    os.close(writer)


def die_with_parent(parent: int, signum: int = signal.SIGKILL) -> None:
    """Have this process get `signum` when `parent` ends, however that ends."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
    else:
        end_with(parent, signum)
    if os.getppid() != parent:  # the parent ended before this was set
        os._exit(1)


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all() -> None:
    """End every descendant of this process with SIGTERM and, after a wait, with SIGKILL."""
    me = psutil.Process()
    for act in (psutil.Process.terminate, psutil.Process.kill):
        descendants = me.children(recursive=True)
        for process in descendants:
            try:
                act(process)
                process.resume()  # one that is paused would not hear SIGTERM
            except psutil.Error:
                continue
        psutil.wait_procs(descendants, timeout=GRACE_S)


def end_with(parent: int, signum: int = signal.SIGKILL) -> None:
    """Have this process get `signum` soon after `parent` is gone, which a thread watches.

    This is for a process that was started by a thread of its parent: on Linux the parent's death
    signal comes when that *thread* ends.
    """
    threading.Thread(target=_poll_parent, args=(parent, signum), daemon=True).start()


def _poll_parent(parent: int, signum: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os.kill(os.getpid(), signum)
