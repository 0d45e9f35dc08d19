"""Labels containers with the session that started them and removes those of dead sessions.

Every container carries labels that name its session, the process that started it, and that
process's host, boot and start time (so that a reused pid isn't taken for a living session). A
session that runs in a container itself also names that container, as in CI each job has pids of its
own: the session is dead when its container has ended. A container is removed only when its labels
say that its session is dead; one that can't be removed is told of, and left.
"""

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench.servers.docker.images import Say
from llmbench.servers.docker.reach.inside import own_container

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SESSION = "llmbench.session"
PID = "llmbench.pid"
STARTED = "llmbench.started"
HOST = "llmbench.host"
BOOT = "llmbench.boot"
INSIDE = "llmbench.inside"  # id and start of the container in which the session runs


def owner(client: "DockerClient", session: str) -> dict[str, str]:
    """The labels of what this process starts for `session` on the engine of `client`."""
    own = own_container()
    inside = None if own is None else _start_of(client, own)
    return labels(session) | ({} if inside is None else {INSIDE: inside})


def labels(session: str) -> dict[str, str]:
    """The labels of what this process starts for `session`, known without asking an engine."""
    pid = os.getpid()
    return {
        SESSION: session,
        PID: str(pid),
        STARTED: process_started(pid) or "",
        HOST: _host(),
        BOOT: _boot(),
    }


def reap(client: "DockerClient", say: Say) -> list[str]:
    """Remove the containers of dead sessions; return the names of those removed.

    `say` gets a line for each, and for each that can't be removed.
    """
    import requests
    from docker.errors import APIError

    try:
        orphans = _orphans(client)
    except (APIError, requests.RequestException) as error:
        say(f"what dead sessions left can't be looked for: {error}")
        return []
    removed = []
    for container in orphans:
        name = container.attrs["Names"][0].removeprefix("/")
        problem = remove(container)
        if problem is None:
            say(f"removed {name}, which a dead session had left")
            removed.append(name)
        else:
            say(f"{name}, which a dead session had left, {problem}; try: docker rm -f {name}")
    return removed


def is_orphan(of: dict[str, str], *, running: bool) -> bool:
    """Whether the session that wrote the labels `of` is known to be dead."""
    if of.get(HOST) != _host() or not of.get(PID, "").isdigit():
        return False  # of another host or pid namespace, where we can't look
    if of.get(BOOT) != _boot():
        return not running  # from before a reboot, unless another machine has our name
    return process_started(int(of[PID])) != of.get(STARTED)


def remove(container: "Container") -> str | None:
    """Kill and remove a container and its unnamed volumes; why that can't be, None when it is gone.

    An engine that takes long goes on removing it.
    """
    import requests
    from docker.errors import APIError

    try:
        container.remove(force=True, v=True)
    except APIError as error:
        gone = error.status_code in (404, 409)  # 409: its removal is under way
        return None if gone else f"can't be removed: {error.explanation or error}"
    except requests.RequestException as error:
        return f"is not removed yet: {error}"
    return None


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


def _orphans(client: "DockerClient") -> list["Container"]:
    """The containers of sessions that are known to be dead; of each only what a list tells."""
    found = client.containers.list(all=True, filters={"label": SESSION}, sparse=True)
    return [
        container
        for container in found
        if is_orphan(container.attrs["Labels"], running=container.attrs["State"] == "running")
        or _is_outlived(client, container.attrs["Labels"])
    ]


def _is_outlived(client: "DockerClient", of: dict[str, str]) -> bool:
    """Whether the session that wrote the labels `of` ran in a container that has ended."""
    inside = of.get(INSIDE)
    return inside is not None and _start_of(client, inside.partition(" ")[0]) != inside


def _start_of(client: "DockerClient", container_id: str) -> str | None:
    """Id and start of a container that runs on this engine; None where there is none."""
    from docker.errors import NotFound

    try:
        state = client.api.inspect_container(container_id)["State"]
    except NotFound:
        return None
    return f"{container_id} {state['StartedAt']}" if state["Running"] else None


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
