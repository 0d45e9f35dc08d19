"""A server that dies in the middle of a cell is not slow: the cell is INVALID, with the reason."""

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from llmbench.store import RunDir
from llmbench.verdict.judging import results
from tests.processes import running_python


def wait_for_load(runs: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(runs.glob("*/journal/requests/*/*.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_killed_in_a_cell_makes_it_invalid_and_the_next_gets_a_new_one(
    suite: pytest.Pytester,
) -> None:
    command = [
        "-m",
        "pytest",
        "-k",
        "test_grid",
        "--llm-users",
        "1,2",
        "--llm-requests",
        "15",
    ]
    with running_python(*command, cwd=suite.path, stderr=subprocess.STDOUT) as process:
        wait_for_load(suite.path / "reports" / "runs")
        (server,) = psutil.Process(process.pid).children()
        server.kill()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    (run,) = (p for p in (suite.path / "reports" / "runs").iterdir() if not p.is_symlink())
    first, second = results(RunDir.open(run))
    assert first.problems[0].rule == "server_died"
    assert second.valid, second.why
    assert "the server died in the middle of the cell" in output
    assert "1 failed, 1 passed" in output
