"""A server in a child process, from its start to its first token and to its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from llmbench.clock import Clock
from llmbench.config import ModelConfig
from llmbench.records import Endpoint, Launch, ResourceSample
from llmbench.servers.cores import CoreSplit
from llmbench.servers.local.child import Child, running_child
from llmbench.servers.local.process_tree import ProcessTree
from llmbench.servers.readiness.waiting import Ready, endpoint_of, wait_until_ready
from llmbench.servers.running import RunningServer


class LocalServer:
    """A `RunningServer` whose process is our child."""

    def __init__(self, endpoint: Endpoint, child: Child, tree: ProcessTree) -> None:
        self.endpoint = endpoint
        self._child = child
        self._tree = tree

    def died(self) -> str | None:
        failure = self._child.failure()
        return None if failure is None else str(failure)

    def sample(self) -> ResourceSample | None:
        return None if self._child.failure() else self._tree.sample()


@contextmanager
def running_local(
    config: ModelConfig,
    module: str,
    settings: Struct,
    *,
    log_file: Path,
    cores: CoreSplit,
    timeout_s: float,
) -> Iterator[RunningServer]:
    """``python -m module`` with `settings` once it has answered one token, until the end."""
    clock = Clock()
    started_ns = clock.monotonic_ns()
    deadline = time.monotonic() + timeout_s
    with running_child(
        config.name, module, settings, log_file=log_file, timeout_s=timeout_s
    ) as child:
        url = f"http://127.0.0.1:{child.port}"
        ready = wait_until_ready(config, url, started_ns, deadline, child)
        launch = _launch(config, child, cores, ready, clock.to_unix_ns(started_ns))
        endpoint = endpoint_of(config, url, launch, ready)
        tree = ProcessTree(child.pid, config.name, float(len(cores.server)) or None, clock)
        yield LocalServer(endpoint, child, tree)


def _launch(
    config: ModelConfig, child: Child, cores: CoreSplit, ready: Ready, started_ns: int
) -> Launch:
    return Launch(
        kind="simulated" if config.simulated else "process",
        started_ns=started_ns,
        healthy_s=ready.healthy_s,
        first_token_s=ready.first_token_s,
        pid=child.pid,
        command=child.command,
        cores=cores.server,
        peak_memory_bytes=peak_memory_bytes(child.pid),
        log_file=str(child.log_file),
        server_info=ready.server_info,
        notes=() if cores.note is None else (cores.note,),
    )


def peak_memory_bytes(pid: int) -> int | None:
    """The greatest resident set of a process so far; None where the system doesn't tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
