"""Runs a server in a container, from its creation to its removal, whatever ends it."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from llmbench.cells import Limits
from llmbench.clock import Clock
from llmbench.config import DockerServer, ModelConfig
from llmbench.process import interrupted_by_signals
from llmbench.records import Endpoint, Launch, ResourceSample
from llmbench.servers.docker.creating import created, refused
from llmbench.servers.docker.engine import EngineFacts, connect, engine_facts
from llmbench.servers.docker.fitting import check_fits
from llmbench.servers.docker.granted import check_devices, shortfalls
from llmbench.servers.docker.images import Say, ensure_image
from llmbench.servers.docker.profile import PeakMemory, Profile
from llmbench.servers.docker.reach.published_ports import reached
from llmbench.servers.docker.reaper import reap
from llmbench.servers.docker.spec import ContainerSpec, container_spec, docker_server
from llmbench.servers.docker.watch import Watch
from llmbench.servers.gpus.held import held_gpus
from llmbench.servers.gpus.nvml import Gpu
from llmbench.servers.instructions import cpu_instructions, instructions_in, unused
from llmbench.servers.placement.placing import Placement
from llmbench.servers.placement.topology import parse_cpuset
from llmbench.servers.readiness.waiting import Ready, endpoint_of, wait_until_ready
from llmbench.servers.running import RunningServer

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image


class DockerRunning:
    """A `RunningServer` in a container."""

    def __init__(self, endpoint: Endpoint, watch: Watch, profile: Profile) -> None:
        self.endpoint = endpoint
        self._watch = watch
        self._profile = profile

    def died(self) -> str | None:
        end = self._watch.ending()
        if end is None:
            return None
        code = "" if end.exit_code is None else f", exit code {end.exit_code}"
        return f"container {end.reason}{code}"

    def cpu_ns(self) -> int | None:
        return self._profile.cpu_ns()

    def sample(self) -> ResourceSample | None:
        return self._profile.sample()

    def pause(self) -> bool:
        return self._watch.pause()

    def resume(self) -> None:
        self._watch.resume()


class _Start(Struct, frozen=True):
    """What the steps of one launch have in common."""

    config: ModelConfig
    server: DockerServer
    spec: ContainerSpec
    facts: EngineFacts
    clock: Clock
    started_ns: int  # monotonic
    notes: tuple[str, ...]
    gpus: tuple[Gpu, ...]  # of this host, held for it


@contextmanager
def launch_docker(
    config: ModelConfig,
    limits: Limits,
    *,
    log_dir: Path,
    cores: Placement,
    session: str,
    slots: int | None = None,
    say: Say = print,
) -> Iterator[RunningServer]:
    """Run the container of `config` under `limits`; the context opens once it has answered.

    Containers that dead sessions left are removed first. This one is removed when the context is
    left, by SIGTERM, SIGHUP and Ctrl-C too. `LaunchError` or `ConfigError` say why it did not
    start.
    """
    server = docker_server(config)
    with interrupted_by_signals(), _engine() as client, ExitStack() as leaving:
        reap(client, say)
        facts = engine_facts(client, ssh_tunnel=server.ssh_tunnel)
        if facts.reach.through_ssh is not None:
            say(f"{config.name}: reached through SSH, whose time is in the numbers")
        spec = container_spec(config, limits, cores=cores, slots=slots, host_cores=facts.cores)
        check_fits(config, max(server.slots, slots or 0), spec.memory_bytes)
        image = ensure_image(client, config.name, server, say)
        gpus = _held(config.name, server, facts, leaving, say)
        if gpus:
            spec = structs.replace(spec, gpus=tuple(gpu.id for gpu in gpus))
        with created(client, config, spec, facts, session, say) as (container, warnings):
            notes = (*(() if cores.note is None else (cores.note,)), *_product(facts), *warnings)
            clock = Clock()
            start = _Start(config, server, spec, facts, clock, clock.monotonic_ns(), notes, gpus)
            log_file = log_dir / f"{container.name}.log"
            yield _running(start, container, image, log_file, leaving)


@contextmanager
def _engine() -> Iterator["DockerClient"]:
    """A client, closed unless interrupted: then its pool may be locked, and closing never end."""
    client = connect()
    try:
        yield client
    except KeyboardInterrupt:
        raise
    except BaseException:
        client.close()
        raise
    client.close()


def _running(
    start: _Start, container: "Container", image: "Image", log_file: Path, leaving: ExitStack
) -> DockerRunning:
    """Start the created `container` and wait until it is ready, reached until `leaving` closes."""
    config, spec = start.config, start.spec
    deadline = time.monotonic() + start.server.start_timeout_s
    watch = _started(start, container, log_file)
    port = _host_port(container, spec.port, watch)
    way = reached(start.facts.reach, port, watch, behind_ssh=start.facts.is_behind_ssh)
    url = f"http://{leaving.enter_context(way)}"
    limit_cores = spec.quota_cores or float(len(spec.cpuset)) or None
    profile = Profile(
        container,
        config.name,
        limit_cores=limit_cores,
        gpus=start.gpus,
        clock=start.clock,
    )
    with PeakMemory(profile.read) as peak:
        ready = wait_until_ready(
            config, url, start.started_ns, deadline, watch, health=start.server.health
        )
    launch = _launch(start, container, image, ready, watch, profile, peak)
    return DockerRunning(endpoint_of(config, url, launch, ready), watch, profile)


def _held(
    name: str, server: DockerServer, facts: EngineFacts, leaving: ExitStack, say: Say
) -> tuple[Gpu, ...]:
    """The GPUs for `name` until `leaving` is closed; none where the engine is elsewhere."""
    if not server.gpus or not facts.is_here:
        return ()
    return leaving.enter_context(held_gpus(name, server.gpus, say))


def _product(facts: EngineFacts) -> Iterator[str]:
    """A note on an engine that only speaks Docker's API."""
    if facts.product != "Engine":
        yield (
            f"the engine is {facts.product} {facts.version}, by its Docker API: it is late to tell "
            "that a container ended"
        )


def _started(start: _Start, container: "Container", log_file: Path) -> Watch:
    """Start the container and begin to watch it."""
    from docker.errors import APIError

    check_devices(start.config.name, start.spec, container.attrs["HostConfig"])
    try:
        container.start()
    except APIError as error:
        raise refused(start.config.name, "started", error) from None
    container.reload()
    return Watch(container, start.config.name, log_file, start.spec.memory_bytes)


def _host_port(container: "Container", port: int, watch: Watch) -> int:
    """The port of the host that leads to `port` of the container."""
    bound = container.ports.get(f"{port}/tcp")
    if not bound:  # the container has ended already
        raise watch.failure() or watch.error(f"the engine published no port for {port}/tcp")
    return int(bound[0]["HostPort"])


def _launch(
    start: _Start,
    container: "Container",
    image: "Image",
    ready: Ready,
    watch: Watch,
    profile: Profile,
    peak: PeakMemory,
) -> Launch:
    """What was really started, read back from the engine and from the kernel."""
    container.reload()
    granted = container.attrs["HostConfig"]
    digests = image.attrs.get("RepoDigests") or []
    pid = container.attrs["State"]["Pid"]
    instructions = instructions_in(watch.log_file)
    is_on_this_cpu = start.facts.is_here and not start.spec.gpus
    return Launch(
        kind="docker",
        started_ns=start.clock.to_unix_ns(start.started_ns),
        healthy_s=ready.healthy_s,
        first_token_s=ready.first_token_s,
        pid=pid,
        container_id=container.id,
        image=start.spec.image,
        image_digest=digests[0].rpartition("@")[2] if digests else image.id,
        command=("docker", *start.spec.run_arguments()),
        cores=_granted_cores(pid, granted, profile),
        computes_on="gpu" if start.spec.gpus or start.spec.devices else "cpu",
        gpus=tuple(gpu.id for gpu in start.gpus),
        memory_nodes=parse_cpuset(granted["CpusetMems"]),
        cpu_quota_cores=granted["NanoCpus"] / 1e9 if granted["NanoCpus"] else None,
        memory_limit_bytes=granted["Memory"] or None,
        peak_memory_bytes=peak.own_bytes,
        file_cache_bytes=peak.cache_bytes,
        log_file=str(watch.log_file),
        instructions=instructions,
        unused_instructions=unused(cpu_instructions(), instructions) if is_on_this_cpu else (),
        server_info=ready.server_info,
        ssh_tunnel=start.facts.reach.through_ssh is not None,
        notes=(*start.notes, *shortfalls(start.spec, granted), f"sampled by {profile.source}"),
    )


def _granted_cores(pid: int, granted: dict[str, Any], profile: Profile) -> tuple[int, ...]:
    """The cores that the kernel lets the container's process use.

    Where the kernel can't be asked, these are the cores that the engine recorded.
    """
    if profile.source != "docker stats" and hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(pid)))
    return parse_cpuset(granted["CpusetCpus"])
