"""What dead sessions left is removed, and nothing else."""

import os
import subprocess
import sys

from llmbench.servers.docker import reaper
from llmbench.servers.docker.reaper import BOOT, HOST, PID, STARTED, is_orphan, labels
from tests.processes import running_python


def ended_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_living_session_s_container_is_no_orphan() -> None:
    assert not is_orphan(labels("s"), running=True)


def test_a_dead_process_s_container_is_one() -> None:
    assert is_orphan(labels("s") | {PID: str(ended_pid())}, running=True)


def test_a_pid_that_was_given_out_again_is_another_process() -> None:
    assert is_orphan(labels("s") | {STARTED: "1"}, running=True)


def test_another_host_s_container_is_left_alone() -> None:
    foreign = labels("s") | {HOST: "elsewhere pid:[1]", PID: str(ended_pid())}
    assert not is_orphan(foreign, running=False)


def test_after_a_reboot_only_what_no_longer_runs_is_removed() -> None:
    earlier = labels("s") | {BOOT: "an earlier one"}
    assert is_orphan(earlier, running=False)
    assert not is_orphan(earlier, running=True)


def test_labels_of_something_else_are_no_session_s() -> None:
    assert not is_orphan({}, running=False)


def test_a_zombie_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert reaper.process_started(process.pid) is None
    process.wait()


def test_a_process_s_start_is_told_apart_from_ours() -> None:
    with running_python("-c", "input()", stdin=subprocess.PIPE) as other:
        assert reaper.process_started(other.pid) not in (
            None,
            reaper.process_started(os.getppid()),
        )
