"""Engines on other hosts, which count and clock by themselves."""

import platform
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import msgspec
import psutil
import pytest

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig
from llmbench.servers import place_server
from llmbench.servers.docker import engine as engine_module
from llmbench.servers.docker.engine import docker_unavailable, engine_facts, runs_here
from llmbench.servers.docker.watch import Watch
from llmbench.servers.gpus import picking
from llmbench.servers.placement.sysfs import usable_cores
from tests.servers.docker.fake_engine import ID, FakeEngine


def config(**changes: Any) -> ModelConfig:
    server = DockerServer(image="engine:1", command=("-t", "{threads}"), port=80)
    server = msgspec.structs.replace(server, **changes)
    return ModelConfig("m", "M", "m", "tgi", "tok", server)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """An engine of 96 cores."""
    engine = FakeEngine(cores=96)
    with engine.serving() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        yield engine


@pytest.mark.usefixtures("elsewhere")
def test_containers_get_the_engine_s_cores_and_the_client_keeps_its_own() -> None:
    (part,) = place_server(config(cores=64), Limits())
    assert (part.server, part.client, part.note) == (tuple(range(64)), usable_cores(), None)


@pytest.mark.usefixtures("elsewhere")
def test_the_engine_s_cores_and_memory_are_what_counts() -> None:
    assert docker_unavailable(config(cores=96, memory="500g"), Limits()) is None
    assert docker_unavailable(config(cores=97), Limits()) == (
        "needs 97 cores, the engine's host has 96"
    )
    assert docker_unavailable(config(memory="513g"), Limits()) == (
        "needs 513.0 GiB of memory, the engine's host has 512.0"
    )


@pytest.mark.usefixtures("elsewhere")
def test_gpus_of_another_host_are_not_counted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picking, "gpus_here", tuple)
    assert docker_unavailable(config(gpus=4), Limits()) is None


@pytest.mark.usefixtures("elsewhere")
def test_nodes_of_another_host_are_not_known() -> None:
    assert docker_unavailable(config(numa_node=1), Limits()) == (
        "server.numa_node needs an engine on this host: one elsewhere doesn't tell its nodes"
    )


def test_kernel_and_memory_tell_whether_an_engine_is_here(elsewhere: FakeEngine) -> None:
    with closing(docker.from_env()) as client:
        assert not engine_facts(client).is_here
        here = client.info() | {
            "KernelVersion": platform.release(),
            "MemTotal": psutil.virtual_memory().total,
        }
    assert runs_here(here)
    assert not runs_here(here | {"MemTotal": here["MemTotal"] - 4096})  # a virtual machine


@contextmanager
def over_tcp(socket_path: str) -> Iterator[str]:
    """The address of a relay on 127.0.0.1 that leads to a Unix socket."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(socket_path)
                ends = {self.request: engine, engine: self.request}
                while True:
                    for end in select.select(ends, [], [])[0]:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_an_engine_of_this_kernel_is_here_over_tcp_too(
    docker_engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with over_tcp(engine_module.engine_address().removeprefix("unix://")) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        (part,) = place_server(config(cores=1), Limits())
    assert part.server == usable_cores()[:1]
    assert part.client == (usable_cores()[1:] or usable_cores())


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 3600.0], ids=["behind", "in step", "ahead"])
def test_a_kill_is_known_by_the_engine_s_own_clock(ahead_s: float, tmp_path: Path) -> None:
    engine = FakeEngine(ahead_s=ahead_s)
    with engine.serving() as address, closing(docker.DockerClient(base_url=address)) as client:
        watch = Watch(client.containers.get(ID), "far", tmp_path / "far.log", None)
        assert watch.ending() is None
        engine.happen("kill")
        engine.happen("die")
        engine.state = {"Running": False, "ExitCode": 137, "Status": "exited"}
        end = watch.ending()
        watch.join_log()
    assert end is not None
    assert (end.reason, end.oom) == ("stopped from outside (docker kill, stop or rm)", False)
    assert max(engine.waits_s) < 1.0  # the engine had nothing to wait for
