"""Which cores a session's servers and load generator get, and what is said of their start."""

import ssl
from pathlib import Path

import trustme
from msgspec import structs

from llmbench.bench.launcher import Servers, computes_here
from llmbench.bench.runs import new_run
from llmbench.bench.settings import Settings
from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig, ProcessServer, RemoteServer, SimulatedServer
from llmbench.records import ClientSettings
from llmbench.servers.placement.demand import demand_of
from llmbench.servers.placement.placing import Placement, placements
from llmbench.servers.placement.topology import flat
from tests.load.serving import ANSWER, Scripted, answering

HERE = tuple(range(8))
NO_LIMITS = Limits()


def client_cores(server: object, limits: Limits = NO_LIMITS) -> tuple[int, ...]:
    config = ModelConfig("m", "M", "m", "openai-completions", "none", SimulatedServer())
    config = structs.replace(config, server=server)
    return placements(demand_of(config.server, limits), flat(HERE), workers=4)[0].client


def test_this_hosts_energy_is_no_other_hosts_nor_a_simulators() -> None:
    config = ModelConfig("m", "M", "m", "openai-completions", "none", SimulatedServer())
    here, there = Placement((0,), (1,)), Placement((0,), (1,), elsewhere=True)
    container = structs.replace(config, server=DockerServer("vllm", ("serve",), port=8000))
    remote = structs.replace(config, server=RemoteServer("http://gpu-host:8000"))
    assert computes_here(container, here)
    assert not computes_here(container, there)  # an engine behind ssh or tcp
    assert not computes_here(remote, here)
    assert not computes_here(config, here)


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


def test_a_certificate_that_is_not_verified_is_told_and_recorded(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    said = list[str]()
    with Scripted(answering(ANSWER), context) as server:
        client = ClientSettings(verify_tls=False)
        far = RemoteServer(server.url)
        model = ModelConfig("m", "M", "m", "openai-completions", "none", far, client=client)
        run = new_run(Settings(tmp_path, tmp_path), [model])
        with Servers(run, said.append) as servers:
            assert servers.get(model, NO_LIMITS, 1).endpoint.base_url == server.url
    note = (
        f"m: the certificate of {server.url} is not verified (--llm-insecure, client.verify_tls = "
        "false): whoever is on the way can answer in its place"
    )
    assert note in said
    assert run.info().notes == (note,)
