"""Runs a server in a child process, from its start to its first token and to its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil
from msgspec import Struct, structs

from llmbench.clock import Clock
from llmbench.config import CommandServer, ModelConfig, ProcessServer
from llmbench.records import Endpoint, Launch, ResourceSample
from llmbench.servers.gpus.nvml import Gpu, gpu_samples, gpus_here, with_gpus
from llmbench.servers.instructions import cpu_instructions, instructions_in, unused
from llmbench.servers.local.child import STOP_S, Child, running_child
from llmbench.servers.local.process_tree import ProcessTree
from llmbench.servers.placement.placing import Placement
from llmbench.servers.readiness.waiting import Ready, endpoint_of, wait_until_ready
from llmbench.servers.running import RunningServer

SUPERVISED_STOP_S = 30.0
"""The time that a supervisor has to end the server.

It waits `process.GRACE_S` (10 s) twice itself, before SIGKILL and after it.
"""


class LocalServer:
    """A `RunningServer` whose process is a child of ours."""

    def __init__(
        self, endpoint: Endpoint, child: Child, tree: ProcessTree, gpus: tuple[Gpu, ...]
    ) -> None:
        self.endpoint = endpoint
        self._child = child
        self._tree = tree
        self._gpus = gpus

    def died(self) -> str | None:
        failure = self._child.failure()
        return None if failure is None else str(failure)

    def cpu_ns(self) -> int | None:
        return self._tree.cpu_ns()

    def sample(self) -> ResourceSample | None:
        sample = None if self._child.failure() else self._tree.sample()
        return None if sample is None else with_gpus(sample, gpu_samples(self._gpus))

    def pause(self) -> bool:
        self._tree.each(psutil.Process.suspend)
        return True

    def resume(self) -> None:
        self._tree.each(psutil.Process.resume)


@contextmanager
def running_local(
    config: ModelConfig,
    module: str,
    settings: Struct,
    *,
    log_file: Path,
    cores: Placement,
    timeout_s: float,
    health: str | None = None,
    supervised: bool = False,
    gpus: tuple[Gpu, ...] = (),
) -> Iterator[RunningServer]:
    """Run ``python -m module`` with `settings`; the context opens once it has answered.

    `gpus` are those that it may use, which are sampled.
    With `supervised` that process is not the server itself, but ends it and all that it started.
    """
    clock = Clock()
    started_ns = clock.monotonic_ns()
    deadline = time.monotonic() + timeout_s
    stop_s = SUPERVISED_STOP_S if supervised else STOP_S
    with running_child(
        config.name, module, settings, log_file=log_file, timeout_s=timeout_s, stop_s=stop_s
    ) as child:
        url = f"http://127.0.0.1:{child.port}"
        ready = wait_until_ready(config, url, started_ns, deadline, child, health=health)
        limit = float(len(cores.server)) or None
        tree = ProcessTree(child.pid, config.name, limit, clock, supervised=supervised)
        launch = _launch(config, child, tree, cores, ready, clock.to_unix_ns(started_ns))
        launch = structs.replace(launch, gpus=tuple(gpu.id for gpu in gpus))
        endpoint = endpoint_of(config, url, launch, ready)
        yield LocalServer(endpoint, child, tree, gpus)


def _launch(
    config: ModelConfig,
    child: Child,
    tree: ProcessTree,
    cores: Placement,
    ready: Ready,
    started_ns: int,
) -> Launch:
    instructions = instructions_in(child.log_file)
    return Launch(
        kind=str(config.server.__struct_config__.tag),
        started_ns=started_ns,
        healthy_s=ready.healthy_s,
        first_token_s=ready.first_token_s,
        pid=child.pid,
        command=child.command,
        cores=cores.server,
        computes_on=_computes_on(config),
        peak_memory_bytes=tree.peak_memory_bytes(),
        log_file=str(child.log_file),
        instructions=instructions,
        unused_instructions=unused(cpu_instructions(), instructions),
        server_info=ready.server_info,
        notes=() if cores.note is None else (cores.note,),
    )


def _computes_on(config: ModelConfig) -> Literal["cpu", "gpu"] | None:
    """What the engine computes on; a command is taken to use the GPUs of a host that has some."""
    if isinstance(config.server, ProcessServer):
        return "cpu"
    if not isinstance(config.server, CommandServer):
        return None
    return "gpu" if gpus_here() else "cpu"
