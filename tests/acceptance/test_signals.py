"""A session that is told to end: what it started has ended, and what it measured is kept."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from tests.acceptance.test_run import only_run
from tests.processes import running_python, sigint_not_ignored


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_session_stops_its_server_and_shows_what_it_has(
    drawing: pytest.Pytester, number: signal.Signals
) -> None:
    with loading(drawing, stderr=subprocess.STDOUT) as (process, children):
        os.kill(process.pid, number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    assert (only_run(drawing) / "index.html").is_file()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_session_interrupted_while_it_draws_shows_its_table(
    drawing: pytest.Pytester, name: str
) -> None:
    drawing.makeconftest(
        f"""
        import os, pytest, signal

        @pytest.hookimpl(tryfirst=True)
        def pytest_llmbench_report(config, run):
            os.kill(os.getpid(), signal.{name})
        """
    )
    with sigint_not_ignored():
        done = drawing.runpytest_subprocess("-k", "test_grid", "--llm-users", "1")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(
        [
            "*in16-out8-users1 *valid*",
            "ERROR: interrupted before the report was complete: llmbench report /*",
        ]
    )
    assert "Traceback" not in done.stdout.str() + done.stderr.str()


def test_a_session_whose_terminal_is_gone_stops_its_server_and_keeps_what_it_has(
    drawing: pytest.Pytester,
) -> None:
    ours, terminal = pty.openpty()
    on_terminal = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with loading(drawing, **on_terminal, preexec_fn=own_terminal) as (process, children):
        os.close(terminal)
        os.close(ours)  # the connection drops: the kernel sends SIGHUP, and writing fails
        process.wait(60)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    assert (only_run(drawing) / "index.html").is_file()


def test_ctrl_c_that_is_ignored_from_outside_stays_so(suite: pytest.Pytester) -> None:
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    with loading(suite, requests=8, **ignore) as (process, _):
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output


def test_pytest_runs_on_another_thread(suite: pytest.Pytester) -> None:
    script = (
        "import pytest, threading; codes = []; "
        "run = lambda: codes.append(pytest.main(['-k', 'users1'])); "
        "thread = threading.Thread(target=run); thread.start(); thread.join(); print(codes)"
    )
    suite.run(sys.executable, "-c", script).stdout.fnmatch_lines(["*5 passed*", "*ExitCode.OK*"])


def test_the_users_own_handlers_are_put_back(suite: pytest.Pytester) -> None:
    script = (
        "import pytest, signal; mine = lambda *_: None; "
        "numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT); "
        "[signal.signal(number, mine) for number in numbers]; pytest.main(['-k', 'users1']); "
        "print([signal.getsignal(number) is mine for number in numbers])"
    )
    suite.run(sys.executable, "-c", script).stdout.fnmatch_lines(["[[]True, True, True]"])


@contextmanager
def loading(
    suite: pytest.Pytester, *, requests: int = 2000, **settings: Any
) -> Iterator[tuple["subprocess.Popen[str]", list[psutil.Process]]]:
    """A session in the middle of its first cell, and the processes that it started."""
    command = ["-m", "pytest", "--llm-users", "1,2", "--llm-requests", str(requests)]
    with running_python(*command, cwd=suite.path, **settings) as process:
        journals = suite.path / "reports" / "runs"
        deadline = time.monotonic() + 60
        while not list(journals.glob("*/journal/requests/*/*.jsonl")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        yield process, children


def own_terminal() -> None:
    """Make standard input the terminal that controls this session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
