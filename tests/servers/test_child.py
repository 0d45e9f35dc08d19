import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llmbench.servers.local import child
from llmbench.servers.local.child import Child, running_child
from llmbench.servers.running import LaunchError
from tests.processes import gone, running_python
from tests.servers.children import Behaviour

MODULE = "tests.servers.children"
PARENT = """
import sys, time
from pathlib import Path
from llmbench.servers.local.child import running_child
from tests.servers.children import Behaviour

with running_child("tiny", "tests.servers.children", Behaviour(),
                   log_file=Path(sys.argv[1]), timeout_s=30) as child:
    print(child.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def run(tmp_path: Path, behaviour: Behaviour, inside: Callable[[Child], None]) -> Child:
    with running_child(
        "tiny", MODULE, behaviour, log_file=tmp_path / "tiny.log", timeout_s=30
    ) as made:
        inside(made)
    return made


def test_the_port_is_the_one_that_the_child_announced(tmp_path: Path) -> None:
    ports: list[int] = []
    run(tmp_path, Behaviour(), lambda made: ports.append(made.port))
    assert ports == [4711]


def test_a_child_runs_until_the_context_is_left(tmp_path: Path) -> None:
    running: list[bool] = []
    made = run(tmp_path, Behaviour(), lambda made: running.append(made.failure() is None))
    assert running == [True]
    assert gone(made.pid)


def test_a_paused_child_is_ended_by_sigterm(tmp_path: Path) -> None:
    made = run(tmp_path, Behaviour(), lambda made: os.kill(made.pid, signal.SIGSTOP))
    assert gone(made.pid)
    assert made.wait(0) != -signal.SIGKILL


def test_a_child_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "STOP_S", 0.3)
    made = run(tmp_path, Behaviour(stubborn=True), lambda made: None)
    failure = made.failure()
    assert failure is not None
    assert failure.exit_code == -signal.SIGKILL


def test_a_child_is_ended_when_the_harness_fails(tmp_path: Path) -> None:
    pids: list[int] = []

    def fail(made: Child) -> None:
        pids.append(made.pid)
        raise ValueError("a test failed")

    with pytest.raises(ValueError, match="a test failed"):
        run(tmp_path, Behaviour(), fail)
    assert gone(pids[0])


def test_a_child_that_ends_early_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(LaunchError) as caught:
        run(tmp_path, Behaviour(exit_code=7), lambda made: None)
    log = tmp_path / "tiny.log"
    assert str(caught.value) == (
        "tiny: the server's process ended before it listened\n"
        "  exit code: 7\n"
        f"  last 2 log lines of {log}:\n"
        "    I am up\n"
        "    I give up"
    )


def test_a_child_without_a_port_is_ended_at_its_deadline(tmp_path: Path) -> None:
    with (
        pytest.raises(
            LaunchError, match=r"not listening after 0\.5 s \(start_timeout_s\)"
        ) as caught,
        running_child(
            "tiny", MODULE, Behaviour(announces=False), log_file=tmp_path / "log", timeout_s=0.5
        ),
    ):
        pass
    assert caught.value.state == "not listening after 0.5 s (start_timeout_s)"
    assert caught.value.hint == (
        "raise server.start_timeout_s in the model's TOML, or give it more cores"
    )


def test_a_child_that_was_killed_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    def kill(made: Child) -> None:
        os.kill(made.pid, signal.SIGKILL)
        made.wait(10)
        told.append(str(made.failure()))

    run(tmp_path, Behaviour(), kill)
    assert told[0].startswith(
        "tiny: the server's process ended\n  exit code: -9 (killed by SIGKILL)\n"
    )


def test_logs_of_two_starts_are_both_kept(tmp_path: Path) -> None:
    for _ in range(2):
        run(tmp_path, Behaviour(), lambda made: None)
    assert (tmp_path / "tiny.log").read_text() == "I am up\nI am up\n"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_harness_gets(signum: signal.Signals, tmp_path: Path) -> None:
    with running_python("-c", PARENT, str(tmp_path / "log"), stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.killpg(parent.pid, signum)  # as the terminal sends Ctrl-C: to the whole group
        assert parent.wait(10) != 0
        assert gone(pid)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(tmp_path: Path) -> None:
    groups: list[int] = []
    run(tmp_path, Behaviour(), lambda made: groups.append(os.getpgid(made.pid)))
    assert groups[0] != os.getpgid(0)
