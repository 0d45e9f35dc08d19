"""Whether this host can run a configuration, and what it says when not."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig, load_model
from llmbench.servers.docker import engine as engine_module
from llmbench.servers.docker.engine import docker_unavailable
from llmbench.servers.docker.reach.published_ports import Reach, reach_of
from llmbench.servers.gpus import picking

if TYPE_CHECKING:
    from docker import DockerClient

MODELS = Path(__file__).parents[3] / "fixtures" / "models"


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(picking, "gpus_here", tuple)
    yield


@pytest.mark.usefixtures("no_gpu")
def test_gpus_are_counted_before_anything_else() -> None:
    config = load_model(MODELS / "llama-2-70b-tgi.toml")
    assert docker_unavailable(config, Limits()) == "needs 4 GPUs, this host has 0"


@pytest.mark.usefixtures("no_gpu")
def test_one_gpu_is_singular() -> None:
    config = load_model(MODELS / "llama-2-7b-tgi.toml")
    assert docker_unavailable(config, Limits()) == "needs 1 GPU, this host has 0"


def test_no_engine_is_a_reason(
    smollm2: ModelConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert docker_unavailable(smollm2, Limits()) == (
        f"needs Docker, and no engine answers at unix://{tmp_path}/none.sock; start Docker, or "
        "set DOCKER_HOST (.ci/docker-engine starts one on Debian)"
    )


def test_an_engine_that_may_not_be_used_says_so() -> None:
    told = engine_module._no_engine("unix:///s", "PermissionError(13, 'Permission denied')")
    assert told == (
        "needs Docker, and this user may not use unix:///s; add the user to the group docker, "
        "or set DOCKER_HOST"
    )


def test_a_host_that_is_large_enough_has_no_reason(
    docker_engine: "DockerClient", smollm2: ModelConfig
) -> None:
    assert docker_unavailable(smollm2, Limits()) is None


def test_too_few_cores(docker_engine: "DockerClient", smollm2: ModelConfig) -> None:
    present = docker_engine.info()["NCPU"]
    assert docker_unavailable(smollm2, Limits(cores=present + 1)) == (
        f"needs {present + 1} cores, this host has {present}"
    )


def test_too_little_memory(docker_engine: "DockerClient", smollm2: ModelConfig) -> None:
    present = docker_engine.info()["MemTotal"]
    reason = docker_unavailable(smollm2, Limits(memory_bytes=4 * present))
    assert reason == (
        f"needs {4 * present / 2**30:.1f} GiB of memory, this host has {present / 2**30:.1f}"
    )


def test_gated_weights_need_a_token(
    docker_engine: "DockerClient", smollm2: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(smollm2.server, DockerServer)
    server = msgspec.structs.replace(smollm2.server, gated=True, environment=("HF_TOKEN",))
    gated = msgspec.structs.replace(smollm2, server=server)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert docker_unavailable(gated, Limits()) == (
        "the weights are gated: accept their licence and put your token into HF_TOKEN"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert docker_unavailable(gated, Limits()) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("unix:///var/run/docker.sock", Reach("127.0.0.1", "127.0.0.1")),
        ("tcp://localhost:2375", Reach("127.0.0.1", "127.0.0.1")),
        ("tcp://127.0.0.1:2375", Reach("127.0.0.1", "127.0.0.1")),
        ("tcp://docker:2375", Reach("0.0.0.0", "docker")),  # a CI job's Docker service
        ("https://docker:2376", Reach("0.0.0.0", "docker")),  # a context's address, by the SDK
    ],
)
def test_ports_are_published_where_they_can_be_reached(address: str, expected: Reach) -> None:
    assert reach_of(address) == expected
