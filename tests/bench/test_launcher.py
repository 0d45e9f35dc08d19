"""Which cores a session's servers and load generator get."""

from msgspec import structs

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig, ProcessServer, RemoteServer, SimulatedServer
from llmbench.servers.placement.demand import demand_of
from llmbench.servers.placement.placing import placements
from llmbench.servers.placement.topology import flat

HERE = tuple(range(8))
NO_LIMITS = Limits()


def client_cores(server: object, limits: Limits = NO_LIMITS) -> tuple[int, ...]:
    config = ModelConfig("m", "M", "m", "openai-completions", "none", SimulatedServer())
    config = structs.replace(config, server=server)
    return placements(demand_of(config.server, limits), flat(HERE), workers=4)[0].client


def test_all_cores_are_the_clients_where_the_server_is_remote() -> None:
    assert client_cores(RemoteServer("http://gpu-host:8000")) == HERE


def test_a_container_without_a_limit_leaves_a_core_to_each_worker() -> None:
    assert client_cores(DockerServer("vllm", ("serve",), port=8000)) == (4, 5, 6, 7)


def test_a_container_with_a_limit_keeps_it() -> None:
    assert client_cores(DockerServer("vllm", ("serve",), port=8000, cores=6)) == (6, 7)
    assert (
        client_cores(DockerServer("vllm", ("serve",), port=8000, cores=6), Limits(cores=2))
        == HERE[2:]
    )


def test_an_embedded_engine_and_the_simulator_have_cores_of_their_own() -> None:
    assert client_cores(ProcessServer("llama.cpp", weights="w", cores=3)) == HERE[3:]
    assert client_cores(SimulatedServer()) == HERE[1:]
