"""What a test starts can be interrupted, and ends with it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import end_all_in, gone, running_python

WAITING = "import time; print('up', flush=True); time.sleep(60)"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {WAITING!r}], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def in_the_background() -> Iterator[None]:
    """SIGINT as a shell hands it to what a script starts with ``&``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_the_background")
def test_ctrl_c_ends_a_process_that_a_background_job_started() -> None:
    with running_python("-c", WAITING) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_test_that_fails_ends_what_its_process_started() -> None:
    pids = []
    with pytest.raises(ZeroDivisionError), running_python("-c", PARENT) as process:
        assert process.stdout is not None
        pids += [process.pid, int(process.stdout.readline())]
        raise ZeroDivisionError
    assert all(map(gone, pids))


def test_what_works_in_a_folder_is_ended(tmp_path: Path) -> None:
    with running_python("-c", WAITING, cwd=tmp_path) as inside, running_python("-c", WAITING) as it:
        end_all_in(tmp_path)
        assert inside.wait(10) == -signal.SIGKILL
        assert it.poll() is None
