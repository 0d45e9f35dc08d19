"""What a container was given, read back from the engine."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from llmbench.servers.docker.creating import _create_arguments
from llmbench.servers.docker.engine import engine_facts
from llmbench.servers.docker.granted import check_devices, shortfalls
from llmbench.servers.docker.spec import ContainerSpec
from llmbench.servers.running import LaunchError

if TYPE_CHECKING:
    from docker import DockerClient

PODMAN = {
    "DeviceRequests": None,
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/kfd"}],
    "IpcMode": "shareable",
    "Runtime": "oci",
    "GroupAdd": ["video"],
    "Ulimits": [{"Name": "RLIMIT_MEMLOCK", "Soft": 1024, "Hard": 1024}],
}
"""What Podman 4.3.1 told of a container that asked for a GPU, /dev/null and ``--ipc host``."""

Granted = Callable[..., dict[str, Any]]


@pytest.fixture
def granted(docker_engine: "DockerClient", server_image: str) -> Iterator[Granted]:
    """What the engine says of a container that has only been created."""
    made = []

    def create(spec: ContainerSpec) -> dict[str, Any]:
        arguments = _create_arguments(docker_engine, spec, engine_facts(docker_engine), {})
        created = docker_engine.api.create_container(**arguments)
        made.append(docker_engine.containers.get(created["Id"]))
        host_config: dict[str, Any] = made[-1].attrs["HostConfig"]
        return host_config

    yield create
    for container in made:
        container.remove(force=True)


def spec(image: str = "i", **fields: Any) -> ContainerSpec:
    return ContainerSpec(image=image, command=(), port=80, **fields)


@pytest.mark.parametrize("gpus", [2, ("0", "GPU-aa")])
def test_docker_takes_a_request_for_gpus(
    granted: Granted, server_image: str, gpus: int | tuple[str, ...]
) -> None:
    wanted = spec(server_image, gpus=gpus)
    check_devices("m", wanted, granted(wanted))


def test_docker_sets_what_rocm_and_gaudi_need(granted: Granted, server_image: str) -> None:
    wanted = spec(
        server_image,
        devices=("/dev/null:/dev/kfd",),
        ipc="host",
        runtime="runc",
        group_add=("video",),
        ulimits=(("memlock", -1), ("stack", 67108864)),
    )
    got = granted(wanted)
    check_devices("m", wanted, got)
    assert list(shortfalls(wanted, got)) == []


def test_an_engine_that_ignores_gpus_starts_nothing() -> None:
    with pytest.raises(LaunchError) as error:
        check_devices("m", spec(gpus=("0",)), PODMAN)
    assert str(error.value) == (
        "m: the engine ignored server.gpus, so the model would compute on CPUs\n"
        "  hint: use Docker itself (Podman's Docker API knows no GPU requests), or name the GPUs' "
        "files in server.devices"
    )


def test_an_engine_that_ignores_devices_starts_nothing() -> None:
    check_devices("m", spec(devices=("/dev/null:/dev/kfd",)), PODMAN)
    with pytest.raises(LaunchError, match=r"ignored server\.devices: /dev/dri"):
        check_devices("m", spec(devices=("/dev/null", "/dev/dri")), PODMAN)


def test_what_else_an_engine_did_not_set_is_noted() -> None:
    wanted = spec(
        ipc="host", runtime="habana", group_add=("render",), ulimits=(("memlock", -1), ("nice", 0))
    )
    assert list(shortfalls(wanted, PODMAN)) == [
        "the engine set IpcMode to 'shareable', not 'host'",
        "the engine set Runtime to 'oci', not 'habana'",
        "the engine set the groups to ['video']",
        "the engine set ulimit memlock to 1024, not -1",
        "the engine set ulimit nice to None, not 0",
    ]
