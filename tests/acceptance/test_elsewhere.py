"""A session on a system without what Linux alone has, as macOS is."""

import csv
import sys
from pathlib import Path

import pytest

WITHOUT_LINUX = '''
"""Takes away, in this process and those that it starts, what only Linux has."""

import asyncio, ctypes, multiprocessing, os, select, selectors, signal, socket, ssl, subprocess
import sys, tempfile, time, urllib.request, uuid
import psutil, numpy, pandas

for module, names in {
    os: ("sched_getaffinity", "sched_setaffinity", "pidfd_open", "memfd_create", "eventfd",
         "splice", "posix_fadvise"),
    select: ("epoll",),
    selectors: ("EpollSelector",),
    socket: ("TCP_INFO", "TCP_QUICKACK", "TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "SO_PASSCRED",
             "SO_INCOMING_CPU", "SO_BUSY_POLL", "AF_NETLINK", "AF_PACKET", "SOCK_CLOEXEC",
             "SOCK_NONBLOCK", "MSG_ERRQUEUE"),
    time: ("CLOCK_BOOTTIME", "CLOCK_TAI"),
    signal: ("sigtimedwait", "sigwaitinfo", "SIGRTMIN", "pidfd_send_signal"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

selectors.DefaultSelector = selectors.PollSelector
before = socket.socket.setsockopt


def setsockopt(self, level, option, *value):
    assert (level, option) != (socket.SOL_SOCKET, 35), "SO_TIMESTAMPNS is Linux's"
    return before(self, level, option, *value)


socket.socket.setsockopt = setsockopt


def look(event, arguments):
    """No file of Linux's own file systems is there, but for psutil, which has its own ways."""
    if event not in ("open", "os.listdir", "os.scandir") or not isinstance(arguments[0], str):
        return
    if arguments[0].startswith(("/proc", "/sys")):
        frame = sys._getframe(1)
        while frame is not None:
            if "psutil" in frame.f_code.co_filename:
                return
            frame = frame.f_back
        raise FileNotFoundError(2, "No such file or directory", arguments[0])


sys.addaudithook(look)
sys.platform = "darwin"
'''


@pytest.fixture
def elsewhere(drawing: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The small repository, in whose processes there is nothing that only Linux has."""
    folder = drawing.mkdir("without-linux")
    (folder / "sitecustomize.py").write_text(WITHOUT_LINUX, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return drawing


def test_a_session_runs_without_what_linux_alone_has(elsewhere: pytest.Pytester) -> None:
    told = "import os, sys; print(sys.platform, hasattr(os, 'sched_getaffinity'))"
    assert elsewhere.run(sys.executable, "-c", told).outlines == ["darwin False"]
    elsewhere.runpytest_subprocess("-k", "test_grid").assert_outcomes(passed=2)
    run = next(iter((elsewhere.path / "reports" / "runs").glob("2*")))
    assert (run / "index.html").stat().st_size > 0
    assert medians(run / "cells.csv") == pytest.approx([50.0, 50.0], abs=8.0)


def medians(path: Path) -> list[float]:
    """The median TTFT of each cell."""
    with path.open(newline="", encoding="utf-8") as file:
        return [float(row["ttft_ms_p50"]) for row in csv.DictReader(file)]
