"""A session in a container beside the ones that it starts, with the host's socket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmbench.servers.docker.reach import inside
from llmbench.servers.docker.reach.inside import obstacle, out_of_reach
from llmbench.servers.docker.spec import ContainerSpec

if TYPE_CHECKING:
    from docker import DockerClient

NO_PORTS = (
    "pytest runs in a container whose 127.0.0.1 isn't the engine's: start that container with "
    "--network host, or give it an engine of its own (DOCKER_HOST=tcp://…)"
)

Job = Callable[..., dict[str, Any]]


@pytest.fixture
def job(docker_engine: "DockerClient", server_image: str) -> Iterator[Job]:
    """What the engine says of a job's container, which has only been created."""
    made = []

    def create(**options: Any) -> dict[str, Any]:
        made.append(docker_engine.containers.create(server_image, **options))
        attrs: dict[str, Any] = made[-1].attrs
        return attrs

    yield create
    for container in made:
        container.remove(force=True)


def spec(*sources: str) -> ContainerSpec:
    mounts = tuple((source, f"/inside/{number}") for number, source in enumerate(sources))
    return ContainerSpec(image="i", command=(), port=80, mounts=mounts)


def test_a_job_with_a_network_of_its_own_can_t_reach_ports(job: Job) -> None:
    assert obstacle(job(), spec()) == NO_PORTS


def test_a_job_on_the_host_s_network_can(job: Job) -> None:
    assert obstacle(job(network_mode="host"), spec("a-volume")) is None


def test_a_folder_of_the_job_alone_can_t_be_mounted(job: Job) -> None:
    own = job(network_mode="host")
    assert obstacle(own, spec("/usr/lib/weights")) == (
        "server.volumes: /usr/lib/weights is inside the container in which pytest runs, and the "
        "engine looks for it on the host: start that container with "
        "-v /usr/lib/weights:/usr/lib/weights"
    )


def test_a_folder_must_be_mounted_under_its_own_name(job: Job, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    source = str(tmp_path)
    same = job(network_mode="host", volumes={source: {"bind": source, "mode": "rw"}})
    other = job(network_mode="host", volumes={source: {"bind": "/work", "mode": "rw"}})
    assert obstacle(same, spec(f"{source}/weights")) is None
    assert "-v /srv/weights:/srv/weights" in str(obstacle(other, spec("/srv/weights")))


def test_a_job_of_this_engine_is_looked_up_and_no_other(
    docker_engine: "DockerClient", job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = job()["Id"]
    monkeypatch.setattr(inside, "own_container", lambda: own)
    assert out_of_reach(docker_engine, spec()) == NO_PORTS
    monkeypatch.setattr(inside, "own_container", lambda: "4f" * 32)
    assert out_of_reach(docker_engine, spec()) is None
    monkeypatch.setattr(inside, "own_container", lambda: None)
    assert out_of_reach(docker_engine, spec()) is None
