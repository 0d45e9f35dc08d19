"""Labels containers with the session that started them and removes those of dead sessions.

Every container carries labels that name its session, the process that started it, and that
process's host, boot and start time (so that a reused pid isn't taken for a living session). A
container is removed only when all of these say that its session is dead.
"""

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SESSION = "llmbench.session"
PID = "llmbench.pid"
STARTED = "llmbench.started"
HOST = "llmbench.host"
BOOT = "llmbench.boot"


def labels(session: str) -> dict[str, str]:
    """The labels of the containers that this process starts for `session`."""
    pid = os.getpid()
    return {
        SESSION: session,
        PID: str(pid),
        STARTED: process_started(pid) or "",
        HOST: _host(),
        BOOT: _boot(),
    }


def reap(client: "DockerClient") -> list[str]:
    """Remove the containers of this host's dead sessions; return the names of those removed."""
    ours = client.containers.list(all=True, filters={"label": SESSION}, ignore_removed=True)
    removed = []
    for container in ours:
        if is_orphan(container.labels, running=container.status == "running"):
            remove(container)
            removed.append(str(container.name))
    return removed


def is_orphan(of: dict[str, str], *, running: bool) -> bool:
    """Whether the session that wrote the labels `of` is known to be dead."""
    if of.get(HOST) != _host() or not of.get(PID, "").isdigit():
        return False  # of another host or pid namespace, where we can't look
    if of.get(BOOT) != _boot():
        return not running  # from before a reboot, unless another machine has our name
    return process_started(int(of[PID])) != of.get(STARTED)


def remove(container: "Container") -> None:
    """Kill and remove a container and its unnamed volumes; it may be gone already."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # 409: its removal is under way
            raise


def process_started(pid: int) -> str | None:
    """The start time of process `pid`, as a text to compare; None when no such process exists."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _process_started_elsewhere(pid)
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]  # clock ticks since boot, see proc(5)


def _process_started_elsewhere(pid: int) -> str | None:
    """The start time of a process where there is no /proc (macOS)."""
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def _host() -> str:
    """This host and its pid namespace, as two containers on one engine may use the same pids."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
