"""What dead sessions left is removed, and nothing else."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from docker.errors import APIError, NotFound

from llmbench.servers.docker import reaper
from llmbench.servers.docker.reach.inside import own_container
from llmbench.servers.docker.reaper import (
    BOOT,
    HOST,
    INSIDE,
    PID,
    STARTED,
    is_orphan,
    labels,
    reap,
)
from tests.processes import running_python

if TYPE_CHECKING:
    from docker import DockerClient


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


def api_error(status: int, explanation: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("500", response=response, explanation=explanation)


def orphan(name: str, error: Exception | None = None) -> SimpleNamespace:
    """A dead session's container whose removal raises `error`."""

    def remove(**options: bool) -> None:
        if error is not None:
            raise error

    of = labels("s") | {PID: str(ended_pid())}
    attrs = {"Names": [f"/{name}"], "State": "running", "Labels": of}
    return SimpleNamespace(attrs=attrs, remove=remove)


def engine(*containers: SimpleNamespace) -> Any:
    listing = SimpleNamespace(list=lambda **options: list(containers))
    return SimpleNamespace(containers=listing)


def test_an_orphan_that_cannot_be_removed_is_told_and_left() -> None:
    stuck = orphan("stuck", api_error(500, "driver failed to remove root filesystem"))
    slow = orphan("slow", requests.ReadTimeout("Read timed out. (read timeout=60)"))
    lines: list[str] = []
    assert reap(engine(stuck, slow, orphan("third")), lines.append) == ["third"]
    assert lines == [
        "stuck, which a dead session had left, can't be removed: driver failed to remove root "
        "filesystem; try: docker rm -f stuck",
        "slow, which a dead session had left, is not removed yet: Read timed out. (read "
        "timeout=60); try: docker rm -f slow",
        "removed third, which a dead session had left",
    ]


@pytest.mark.parametrize("status", [404, 409])
def test_an_orphan_that_somebody_else_removes_is_gone(status: int) -> None:
    lines: list[str] = []
    assert reap(engine(orphan("gone", api_error(status, ""))), lines.append) == ["gone"]


def test_an_engine_that_lists_nothing_ends_no_launch() -> None:
    def refuse(**options: object) -> None:
        raise requests.ReadTimeout("Read timed out.")

    lines: list[str] = []
    assert reap(SimpleNamespace(containers=SimpleNamespace(list=refuse)), lines.append) == []  # type: ignore[arg-type]
    assert lines == ["what dead sessions left can't be looked for: Read timed out."]


def test_the_own_container_is_known_by_its_mounts(tmp_path: Path) -> None:
    def own(mounts: str) -> str | None:
        (tmp_path / "mountinfo").write_text(mounts, encoding="utf-8")
        return own_container(tmp_path / "mountinfo")

    identity = "4f" * 32
    docker = f"97 84 259:1 /var/lib/docker/containers/{identity}/hostname /etc/hostname rw\n"
    podman = f"/run/containers/storage/overlay-containers/{identity}/userdata/hosts /etc/hosts\n"
    assert own("22 27 0:21 / /proc rw\n" + docker) == identity
    assert own(podman) == identity
    assert own("22 27 0:21 / /proc rw - proc proc rw\n") is None


def test_a_session_in_a_container_is_dead_when_that_has_ended(
    docker_engine: "DockerClient", server_image: str
) -> None:
    def sleeping(of: dict[str, str]) -> Any:
        return docker_engine.containers.run(
            server_image,
            ["-c", "import time; time.sleep(600)"],
            entrypoint="/server/bin/python",
            labels=of,
            detach=True,
        )

    job = sleeping({})
    job.reload()
    inside = f"{job.id} {job.attrs['State']['StartedAt']}"
    left = sleeping(labels("ci") | {HOST: "ci-job pid:[4026532999]", INSIDE: inside})
    try:
        lines: list[str] = []
        assert left.name not in reap(docker_engine, lines.append)
        job.kill()
        assert reap(docker_engine, lines.append) == [left.name]
    finally:
        for container in (job, left):
            with suppress(NotFound):
                container.remove(force=True)
