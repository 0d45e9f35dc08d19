"""A client that gets too little CPU does not pass its own delays off as the server's."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from llmbench.store import RunDir
from llmbench.verdict.judging import results
from tests.processes import running_python

STOPPED_S, RUNNING_S = 0.2, 0.02


def starve(process: "subprocess.Popen[str]", runs: Path) -> None:
    """Let `process` run a tenth of the time until its cell has ended."""
    while process.poll() is None and not list(runs.glob("*/journal/cells.jsonl")):
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(RUNNING_S)


def wait_for_load(runs: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(runs.glob("*/journal/requests/*/*.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("users", [1, 8])
def test_a_starved_client_makes_its_cell_invalid(suite: pytest.Pytester, users: int) -> None:
    command = [
        "-m",
        "pytest",
        "-k",
        "test_grid",
        "--llm-users",
        str(users),
        "--llm-requests",
        "8",
    ]
    with running_python(*command, cwd=suite.path, stderr=subprocess.STDOUT) as process:
        wait_for_load(suite.path / "reports" / "runs")
        starve(process, suite.path / "reports" / "runs")
        assert process.stdout is not None
        output = process.stdout.read()
    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    (run,) = (p for p in (suite.path / "reports" / "runs").iterdir() if not p.is_symlink())
    (result,) = results(RunDir.open(run))
    assert "client_lag" in {problem.rule for problem in result.problems}
    assert "it was starved of CPU; give it a core of its own" in output
