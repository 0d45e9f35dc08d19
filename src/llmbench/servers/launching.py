"""Launches a server of any of the five kinds, or says why this host can't run it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from llmbench.cells import Limits
from llmbench.config import (
    CommandServer,
    DockerServer,
    ModelConfig,
    ProcessServer,
    RemoteServer,
    Server,
    SimulatedServer,
)
from llmbench.servers.placement.demand import demand_of
from llmbench.servers.placement.placing import Placement, placements
from llmbench.servers.running import RunningServer


def place_server(config: ModelConfig, limits: Limits, *, workers: int = 1) -> tuple[Placement, ...]:
    """The cores of each instance of `config`'s server, and of the client with so many `workers`.

    A container's cores are those of its engine's host. `ConfigError` where that can't be reached.
    """
    demand = demand_of(config.server, limits)
    if isinstance(config.server, DockerServer):
        from llmbench.servers.docker.engine import place_container

        return place_container(demand, workers=workers)
    return placements(demand, workers=workers)


def slots_of(server: Server, users: int) -> int | None:
    """The number of slots that `server` is started with for `users`; None where it isn't told."""
    match server:
        case ProcessServer():
            told = True
        case DockerServer() | CommandServer():
            words = (*server.command, *server.settings.values())
            told = any("{slots}" in word or "{context}" in word for word in words)
        case _:
            return None
    return max(server.slots, users) if told else None


def launch(
    config: ModelConfig,
    limits: Limits,
    *,
    log_dir: Path,
    cores: Placement,
    session: str,
    slots: int | None = None,
    seed: int = 0,
    number: int = 0,
    say: Callable[[str], None] = print,
) -> AbstractContextManager[RunningServer]:
    """The server of `config` under `limits`, running while the context is open.

    When the context is entered the server has answered a completion; `LaunchError` says why it
    could not. `slots`, the greatest number of users, raises an engine's own number of slots if that
    is smaller. `session` labels the containers that are started, `seed` and the `number` of the
    launch are for the simulator, and `say` gets lines of progress (while images are pulled or
    built).
    Enter it on a thread that lives as long as the server: on Linux the kernel ends a child
    process with the thread that started it.
    """
    server = config.server
    if isinstance(server, DockerServer):
        from llmbench.servers.docker.container import launch_docker

        return launch_docker(
            config, limits, log_dir=log_dir, cores=cores, session=session, slots=slots, say=say
        )
    if isinstance(server, ProcessServer):
        from llmbench.servers.local.embedded import launch_process

        return launch_process(config, server, limits, log_dir=log_dir, cores=cores, slots=slots)
    if isinstance(server, CommandServer):
        from llmbench.servers.local.command import launch_command

        return launch_command(config, server, limits, log_dir=log_dir, cores=cores, slots=slots)
    if isinstance(server, SimulatedServer):
        from llmbench.servers.local.simulated import launch_simulated

        return launch_simulated(
            config, server, log_dir=log_dir, cores=cores, seed=seed, number=number
        )
    from llmbench.servers.remote import launch_remote

    assert isinstance(server, RemoteServer)
    return launch_remote(config, server)


def unavailable(config: ModelConfig, limits: Limits) -> str | None:
    """Why this host can't run `config` under `limits`, to follow "skipped: "; None when it can."""
    server = config.server
    if isinstance(server, DockerServer):
        from llmbench.servers.docker.engine import docker_unavailable

        return docker_unavailable(config, limits)
    if isinstance(server, ProcessServer):
        from llmbench.servers.local.embedded import process_unavailable

        return process_unavailable(server, limits)
    if isinstance(server, CommandServer):
        from llmbench.servers.local.command import command_unavailable

        return command_unavailable(server, limits)
    if limits.instances is not None and isinstance(server, RemoteServer):
        return "a server at a URL can't be started several times; name its replicas instead"
    if limits.cores is not None or limits.memory_bytes is not None:
        kind = "remote" if isinstance(server, RemoteServer) else "simulated"
        return f"a {kind} server can't be limited in cores or memory; use a docker configuration"
    return None
