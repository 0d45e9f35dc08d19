"""Reaches this host's Docker Engine and says whether it can run a configuration."""

import os
import platform
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.cells import Limits
from llmbench.config import ConfigError, DockerServer, ModelConfig
from llmbench.servers.docker.reach.inside import out_of_reach
from llmbench.servers.docker.reach.published_ports import Reach, reach_of
from llmbench.servers.docker.reach.ssh_tunnels import Tunnel, TunnelError, tunnel_to
from llmbench.servers.docker.spec import container_spec, docker_server
from llmbench.servers.gpus.picking import candidates
from llmbench.servers.placement.demand import Demand, demand_of
from llmbench.servers.placement.placing import (
    Placement,
    placements,
    placements_elsewhere,
    too_few,
)
from llmbench.servers.placement.topology import flat

if TYPE_CHECKING:
    from docker import DockerClient


class NoEngine(ConfigError):
    """No Docker Engine can be used; the message says which address, why, and what to do."""


class EngineFacts(Struct, frozen=True):
    """What the engine's host has, and how a container's port is reached there."""

    is_here: bool  # on this kernel: a container's cores and the client's are the same ones
    cores: int
    memory_bytes: int
    version: str
    product: str  # "Engine" is Docker's own
    reach: Reach
    is_behind_ssh: bool


def engine_address() -> str:
    """The engine's address: DOCKER_HOST, else that of the context in DOCKER_CONTEXT or in use."""
    from docker.context import ContextAPI

    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    name = os.environ.get("DOCKER_CONTEXT")
    context = ContextAPI.get_context(name)
    if context is None:
        raise NoEngine(
            f"needs Docker, and there is no context {name or 'as the current one'}; "
            "docker context ls shows those that there are"
        )
    return str(context.Host).replace("http+unix", "unix")


def connect() -> "DockerClient":
    """A client of an engine that has answered, to be closed; `NoEngine` where none answers.

    TLS is as the context says, or DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. One at ``ssh://`` is
    reached by the tunnel that this process has to it.
    """
    import docker
    from docker.errors import DockerException

    address = engine_address()
    tunnel = _tunnel(address)
    _knock(address)
    client = None
    try:
        if tunnel is None:
            client = docker.from_env()
        else:
            client = docker.DockerClient(base_url=f"unix://{tunnel.socket}")
        client.ping()
        return client
    except (DockerException, OSError) as error:
        if client is not None:
            client.close()
        if tunnel is not None:
            raise NoEngine(_no_engine_behind(tunnel)) from None
        raise NoEngine(_no_engine(address, str(error))) from None


def _tunnel(address: str) -> Tunnel | None:
    """The tunnel to an engine behind SSH; None to any other."""
    if not address.startswith("ssh://"):
        return None
    try:
        return tunnel_to(address)
    except TunnelError as error:
        raise NoEngine(f"needs Docker, and {error}") from None


def _no_engine_behind(tunnel: Tunnel) -> str:
    return f"needs Docker, and no engine answers at {tunnel.address}: {tunnel.refusal()}"


def _knock(address: str) -> None:
    """`NoEngine` where nobody listens at a Unix socket; there the SDK would leak its own socket."""
    if not address.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as knocking:
        try:
            knocking.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise NoEngine(_no_engine(address, str(error))) from None


def _no_engine(address: str, error: str) -> str:
    if "Permission denied" in error or "PermissionError" in error:
        return (
            f"needs Docker, and this user may not use {address}; add the user to the group "
            "docker, or set DOCKER_HOST"
        )
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return (
            f"needs Docker, and the certificate of {address} is not trusted; check the context's "
            "TLS files, or DOCKER_CERT_PATH; REQUESTS_CA_BUNDLE goes before both, so unset it"
        )
    return (
        f"needs Docker, and no engine answers at {address}; start Docker, or set DOCKER_HOST "
        "(.ci/docker-engine starts one on Debian)"
    )


def engine_facts(client: "DockerClient", *, ssh_tunnel: bool = False) -> EngineFacts:
    """What the engine says about its host; for `ssh_tunnel` see `reach_of`."""
    info, version, address = client.info(), client.version(), engine_address()
    return EngineFacts(
        is_here=runs_here(info),
        cores=info["NCPU"],
        memory_bytes=info["MemTotal"],
        version=info["ServerVersion"],
        product=(version.get("Components") or [{"Name": "Engine"}])[0]["Name"],
        reach=reach_of(address, ssh_tunnel=ssh_tunnel),
        is_behind_ssh=address.startswith("ssh://"),
    )


def runs_here(info: dict[str, Any]) -> bool:
    """Whether an engine that says `info` of itself runs on this kernel.

    Its address doesn't tell: a socket may lead into a virtual machine (Docker Desktop, colima), and
    a CI job reaches an engine on its own host over TCP. Kernel and memory, to the byte, tell.
    """
    import psutil

    return (
        platform.system() == "Linux"
        and info["KernelVersion"] == platform.release()
        and info["MemTotal"] == psutil.virtual_memory().total
    )


def place_container(demand: Demand, *, workers: int = 1) -> tuple[Placement, ...]:
    """The cores of each instance by the engine's numbers, and those of the client here."""
    with closing(connect()) as client:
        facts = engine_facts(client)
    if facts.is_here:
        return placements(demand, workers=workers)
    return placements_elsewhere(demand, facts.cores, workers=workers)


def docker_unavailable(config: ModelConfig, limits: Limits) -> str | None:
    """Why this host can't run `config` under `limits`, to follow "skipped: "; None when it can."""
    server = docker_server(config)
    try:
        spec = container_spec(config, limits)
        with closing(connect()) as client:
            facts = engine_facts(client)
            obstacle = out_of_reach(client, spec)
    except ConfigError as error:
        return _too_few_gpus(server, None) or str(error)
    demand = demand_of(server, limits)
    return (
        _too_few_gpus(server, facts) or obstacle or _too_small(facts, demand) or _no_token(server)
    )


def _too_few_gpus(server: DockerServer, facts: EngineFacts | None) -> str | None:
    """Why this host's GPUs are too few; an engine elsewhere finds that out when it is asked."""
    if not server.gpus or (facts is not None and not facts.is_here):
        return None
    try:
        candidates(server.gpus)
    except ConfigError as error:
        return str(error)
    return None


def _too_small(facts: EngineFacts, demand: Demand) -> str | None:
    whose = "this host" if facts.is_here else "the engine's host"
    if demand.numa_node is not None and not facts.is_here:
        return "server.numa_node needs an engine on this host: one elsewhere doesn't tell its nodes"
    topology = None if facts.is_here else flat(range(facts.cores))
    lacking = too_few(demand, topology, whose)
    if lacking is not None:
        return lacking
    if demand.memory_bytes is not None and demand.memory_bytes > facts.memory_bytes:
        wanted, present = demand.memory_bytes / 2**30, facts.memory_bytes / 2**30
        return f"needs {wanted:.1f} GiB of memory, {whose} has {present:.1f}"
    return None


def _no_token(server: DockerServer) -> str | None:
    if not server.gated or any(os.environ.get(name) for name in server.environment):
        return None
    names = " or ".join(server.environment) or "a variable that server.environment names"
    return f"the weights are gated: accept their licence and put your token into {names}"
