"""Processes that a test starts, and their certain end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

Running = AbstractContextManager["subprocess.Popen[str]"]

END_S = 10
"""How long a process may take to end by itself: removing a container takes a second or two."""


@contextmanager
def running_process(command: Iterable[str], **settings: Any) -> Iterator["subprocess.Popen[str]"]:
    """A process in a session of its own, its output in a pipe; `settings` are those of `Popen`.

    However the test ends, the process and all that it started have ended afterwards. Ctrl-C ends
    it as in a terminal, also where the tests run in the background and ignore SIGINT.
    """
    defaults = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    with sigint_not_ignored():
        process = subprocess.Popen(list(command), **(defaults | settings))
    with process:
        try:
            yield process
        finally:
            _end(process)


def running_python(*arguments: str, **settings: Any) -> Running:
    """`running_process` with this interpreter."""
    return running_process([sys.executable, *arguments], **settings)


def end_all_in(folder: Path) -> None:
    """End every process below this one that works in `folder`."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if Path(child.cwd()) == folder:
                child.kill()


def gone(pid: int) -> bool:
    """Whether the process ends within ten seconds; a zombie has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        process.wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


@contextmanager
def sigint_not_ignored() -> Iterator[None]:
    """What is started inside has the default for SIGINT.

    A child inherits that a signal is ignored, but not a handler.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals can only be set on the main thread")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(process: "subprocess.Popen[str]") -> None:
    """SIGTERM first, so that a session removes its containers; then SIGKILL for all."""
    below: list[psutil.Process] = []
    if process.poll() is None:
        below = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    for child in below:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
