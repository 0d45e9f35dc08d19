"""Fixtures of the instrument's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmbench.cells import Limits
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement
from tests.load.serving import Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


def simulating(server: SimulatedServer, logs: Path) -> Iterator[str]:
    """The URL of a simulator with that truth."""
    config = ModelConfig("sim", "Simulated", "sim", "openai-completions", "none", server)
    cores = Placement((), (), None)
    with launch(config, Limits(), log_dir=logs, cores=cores, session="tests") as running:
        yield running.endpoint.base_url


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """5 ms to the first token, then one each 1 ms."""
    server = SimulatedServer(ttft_ms=5, ms_per_token=1)
    yield from simulating(server, tmp_path_factory.mktemp("simulator"))


@pytest.fixture(scope="session")
def slow_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that two users keep busy: its requests/s can't rise beyond."""
    server = SimulatedServer(ttft_ms=5, ms_per_token=2, slots=2)
    yield from simulating(server, tmp_path_factory.mktemp("slow"))
