"""Describes the container of a configuration under limits, as data and as a `docker run` line.

Whole cores become a cpuset. Fractional cores become a quota on a cpuset of as many cores as it
takes, because an engine with more threads than cores is stopped by the quota again and again.
``{threads}`` is the number of those cores. Swap is off, so the container can't use more memory
than its limit.
"""

import math
import os
import shlex
from pathlib import Path

from msgspec import Struct

from llmbench.cells import Limits, format_bytes
from llmbench.config import ConfigError, DockerServer, ModelConfig, limits_of, parse_bytes
from llmbench.packages import SCHEME, how_to_install, package_folders, split_name
from llmbench.servers.placeholders import fill
from llmbench.servers.placement.placing import Placement
from llmbench.servers.placement.topology import format_cpuset


class ContainerSpec(Struct, frozen=True):
    """A container to be created. A variable of `environment` that is None gets its value here."""

    image: str
    command: tuple[str, ...]
    port: int
    entrypoint: str | None = None
    cpuset: tuple[int, ...] = ()  # empty: not pinned
    memory_nodes: tuple[int, ...] = ()  # NUMA; empty: any
    quota_cores: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    gpus: int | tuple[str, ...] = 0  # how many, or which
    devices: tuple[str, ...] = ()
    runtime: str | None = None
    ipc: str | None = None
    ulimits: tuple[tuple[str, int], ...] = ()  # -1: unlimited
    group_add: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    mounts: tuple[tuple[str, str], ...] = ()  # host folder or volume name, path inside[:ro]
    environment: tuple[tuple[str, str | None], ...] = ()

    def run_arguments(self) -> tuple[str, ...]:
        """The arguments of ``docker`` that start this container; they hold no secret values."""
        return ("run", "-d", *self._limits(), *self._reach(), self.image, *self.command)

    def _limits(self) -> list[str]:
        parts: list[str] = []
        if self.cpuset:
            parts += ["--cpuset-cpus", format_cpuset(self.cpuset)]
        if self.memory_nodes:
            parts += ["--cpuset-mems", format_cpuset(self.memory_nodes)]
        if self.quota_cores is not None:
            parts += ["--cpus", f"{self.quota_cores:g}"]
        if self.memory_bytes is not None:
            size = format_bytes(self.memory_bytes)
            parts += ["--memory", size, "--memory-swap", size]
        if self.shm_bytes is not None:
            parts += ["--shm-size", format_bytes(self.shm_bytes)]
        if self.gpus:
            parts += ["--gpus", self._gpus()]
        for name, value in self.ulimits:
            parts += ["--ulimit", f"{name}={value}"]
        return parts

    def _gpus(self) -> str:
        """The option's value; a comma between names needs quotes, as its value is CSV."""
        if isinstance(self.gpus, int):
            return str(self.gpus)
        names = f"device={','.join(self.gpus)}"
        return names if len(self.gpus) == 1 else f'"{names}"'

    def _reach(self) -> list[str]:
        parts = [word for name in self.cap_add for word in ("--cap-add", name)]
        parts += [word for name in self.devices for word in ("--device", name)]
        parts += [word for name in self.group_add for word in ("--group-add", name)]
        for option, value in (("--runtime", self.runtime), ("--ipc", self.ipc)):
            parts += [option, value] if value is not None else []
        parts += ["-p", f"127.0.0.1::{self.port}"]
        for source, target in self.mounts:
            parts += ["-v", f"{source}:{target}"]
        for name, text in self.environment:
            parts += ["-e", name if text is None else f"{name}={text}"]
        if self.entrypoint is not None:
            parts += ["--entrypoint", self.entrypoint]
        return parts


def docker_run_line(config: ModelConfig, limits: Limits | None = None) -> str:
    """The ``docker run`` line of `config` under `limits` (None: the configuration's own)."""
    words = container_spec(config, limits or Limits()).run_arguments()
    # the number of cores of a server that takes the whole host is known only on that host
    return " ".join(["docker", *(w if w == "$(nproc)" else shlex.quote(w) for w in words)])


def container_spec(
    config: ModelConfig,
    limits: Limits,
    *,
    cores: Placement | None = None,
    slots: int | None = None,
    host_cores: int | None = None,
) -> ContainerSpec:
    """The container of `config` under `limits`, and under its own limits where these leave gaps.

    `cores` says which ones belong to the server (None: the first ones). A server without a
    limit is pinned to all of them if the client has others, and is not pinned otherwise. Its memory
    comes from the nodes of its cores.
    """
    server = docker_server(config)
    limits = effective_limits(config, limits)
    cpuset, quota = _cores(limits.cores, cores)
    threads = len(cpuset) or host_cores
    count = max(server.slots, slots or 0)
    values = {
        "threads": "$(nproc)" if threads is None else str(threads),
        "port": str(server.port),
        "slots": str(count),
        "gpus": str(server.gpu_count),
        "context": str(server.context_tokens * count),
    }
    return ContainerSpec(
        image=server.image,
        command=tuple(fill(word, values, "server.command") for word in server.command),
        port=server.port,
        entrypoint=server.entrypoint,
        cpuset=cpuset,
        memory_nodes=cores.memory_nodes if cores is not None and cpuset else (),
        quota_cores=quota,
        memory_bytes=limits.memory_bytes,
        shm_bytes=None if server.shm is None else parse_bytes(server.shm, "server.shm"),
        gpus=server.gpus,
        devices=server.devices,
        runtime=server.runtime,
        ipc=server.ipc,
        ulimits=tuple(server.ulimits.items()),
        group_add=server.group_add,
        cap_add=server.cap_add,
        mounts=tuple((_source(s), target) for s, target in server.volumes.items()),
        environment=tuple(_environment(server, values)),
    )


def docker_server(config: ModelConfig) -> DockerServer:
    """The ``[server]`` table of a docker configuration; `ConfigError` for another kind."""
    if not isinstance(config.server, DockerServer):
        raise ConfigError(f"{config.name}: server.kind is not docker: there is no container")
    return config.server


def effective_limits(config: ModelConfig, limits: Limits) -> Limits:
    """`limits`, with the configuration's own where they leave something open."""
    own = limits_of(config.server)
    return Limits(
        own.cores if limits.cores is None else limits.cores,
        own.memory_bytes if limits.memory_bytes is None else limits.memory_bytes,
    )


def _cores(
    wanted: float | None, placement: Placement | None
) -> tuple[tuple[int, ...], float | None]:
    """The cpuset and the quota in cores for `wanted` cores."""
    if wanted is None:
        return (placement.server if placement is not None and placement.apart else ()), None
    count = math.ceil(wanted)
    cpuset = tuple(range(count)) if placement is None else placement.server[:count]
    if len(cpuset) < count:
        raise ConfigError(f"needs {wanted:g} cores, this run may use {len(cpuset)} for the server")
    return cpuset, (wanted if wanted != count else None)


def _environment(server: DockerServer, values: dict[str, str]) -> list[tuple[str, str | None]]:
    """The container's variables: first those passed on if they are set, then the fixed ones."""
    passed: list[tuple[str, str | None]] = [
        (name, None) for name in server.environment if name in os.environ
    ]
    return passed + [(k, fill(v, values, "server.settings")) for k, v in server.settings.items()]


def _source(source: str) -> str:
    """What to mount: a package's folder, a folder's absolute path, or a volume's name as it is."""
    if source.startswith(SCHEME):
        package, _ = split_name(source)
        folders = package_folders(package)
        if not folders:
            raise ConfigError(
                f"server.volumes: package {package} is not installed; "
                f"run: {how_to_install(package)}"
            )
        return str(folders[0].resolve())
    if source.startswith(("/", ".", "~")):
        return str(Path(source).expanduser().resolve())
    return source
