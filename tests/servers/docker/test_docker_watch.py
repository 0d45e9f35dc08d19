"""How a container ended, told from its state and its events."""

from typing import Any

import pytest

from llmbench.servers.docker.watch import Ending, container_hint, ending

LIMIT = 128 << 20
OOM = Ending("out of memory (limit 128m): the kernel killed it", 137, oom=True)


def state(**changes: Any) -> dict[str, Any]:
    running = {"Running": False, "OOMKilled": False, "ExitCode": 0, "Error": "", "Status": "exited"}
    return running | changes


@pytest.mark.parametrize(
    ("seen", "actions", "expected"),
    [
        pytest.param(state(Running=True), ["start"], None, id="runs"),
        pytest.param(state(OOMKilled=True, ExitCode=137), ["die"], OOM, id="oom by its flag"),
        pytest.param(state(ExitCode=137), ["oom", "die"], OOM, id="oom by its event"),
        pytest.param(state(ExitCode=137), ["die"], OOM, id="oom by its exit code alone"),
        pytest.param(
            state(Running=True),
            ["oom"],
            Ending("out of memory (limit 128m): the kernel killed a process in it", oom=True),
            id="oom of a child",
        ),
        pytest.param(
            state(ExitCode=137),
            ["kill", "die"],
            Ending("stopped from outside (docker kill, stop or rm)", 137),
            id="killed by somebody",
        ),
        pytest.param(
            state(ExitCode=1), ["die"], Ending("ended by itself (exited)", 1), id="gave up"
        ),
        pytest.param(
            state(ExitCode=127, Error="exec: no such file"),
            [],
            Ending("could not run: exec: no such file", 127),
            id="never ran",
        ),
    ],
)
def test_the_end_of_a_container(
    seen: dict[str, Any], actions: list[str], expected: Ending | None
) -> None:
    assert ending(seen, actions, LIMIT) == expected


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "the GPU's memory is too small"),
        ("GatedRepoError: 403 Client Error.", "the weights are gated"),
        ('could not select device driver "" with capabilities: [[gpu]]', "container toolkit"),
        ("write /var/lib: no space left on device", "free disk space"),
        ("Bus error (core dumped)", "raise server.shm"),
        ("error: unrecognized arguments: --no-such", "does not know a flag"),
        ('exec: "serv": executable file not found in $PATH', "check server.command"),
        ("couldn't bind HTTP server socket", "the port is taken"),
    ],
)
def test_a_log_line_brings_its_hint(log: str, hint: str) -> None:
    assert hint in str(container_hint(log))


def test_an_unknown_log_brings_none() -> None:
    assert container_hint("model loaded") is None
