"""Real containers where a Docker Engine answers; skipped, with the reason, where none does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig, load_model
from llmbench.servers.docker.container import launch_docker
from llmbench.servers.docker.engine import NoEngine, connect
from llmbench.servers.docker.reaper import SESSION
from llmbench.servers.placement.placing import place
from llmbench.servers.running import RunningServer

if TYPE_CHECKING:
    from docker import DockerClient

MODELS = Path(__file__).parents[3] / "fixtures" / "models"
IMAGE = "llmbench-llama.cpp:latest"

Launch = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def docker_engine() -> Iterator["DockerClient"]:
    try:
        client = connect()
    except NoEngine as error:
        pytest.skip(str(error))
    yield client
    client.close()


@pytest.fixture
def server_image(docker_engine: "DockerClient") -> str:
    """The image that .ci/docker-engine builds; it also has Python for servers of our own."""
    from docker.errors import ImageNotFound

    try:
        docker_engine.images.get(IMAGE)
    except ImageNotFound:
        pytest.skip(f"no image {IMAGE}: run .ci/docker-engine images")
    return IMAGE


@pytest.fixture
def smollm2() -> ModelConfig:
    return load_model(MODELS / "smollm2-135m-docker.toml")


@pytest.fixture
def python_server(smollm2: ModelConfig) -> Callable[..., ModelConfig]:
    """A configuration whose server is a Python program."""

    def make(program: str, **changes: Any) -> ModelConfig:
        assert isinstance(smollm2.server, DockerServer)
        server = msgspec.structs.replace(
            smollm2.server,
            entrypoint="/server/bin/python",
            command=("-c", program),
            volumes={},
            **changes,
        )
        return msgspec.structs.replace(smollm2, name="python-server", server=server, size=None)

    return make


@pytest.fixture
def launch(server_image: str, tmp_path: Path) -> Launch:
    """`launch_docker` under limits, logs in `tmp_path`, lines of progress dropped."""

    def start(
        config: ModelConfig,
        cores: float | None = 1,
        memory_bytes: int | None = 512 << 20,
        session: str = "a-test",
    ) -> AbstractContextManager[RunningServer]:
        return launch_docker(
            config,
            Limits(cores, memory_bytes),
            log_dir=tmp_path / "logs",
            cores=place(cores),
            session=session,
            say=lambda line: None,
        )

    return start


@pytest.fixture
def ours(docker_engine: "DockerClient") -> Callable[[str], list[str]]:
    """Names of the containers of a session that exist now, running or not."""

    def names(session: str) -> list[str]:
        wanted: dict[str, str | list[str] | bool] = {"label": f"{SESSION}={session}"}
        found = docker_engine.containers.list(all=True, filters=wanted, ignore_removed=True)
        return [str(container.name) for container in found]

    return names
