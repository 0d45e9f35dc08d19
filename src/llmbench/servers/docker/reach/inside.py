"""Notices that this process runs in a container itself, and what it can't reach from there.

A CI job in a container that was given the host's socket starts its containers beside itself, not
inside: their ports on 127.0.0.1 are the host's, and folders to mount are looked for on the host.
"""

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from llmbench.servers.docker.spec import ContainerSpec

if TYPE_CHECKING:
    from docker import DockerClient

OWN_CONTAINER = re.compile(r"containers/([0-9a-f]{64})/")
"""In the mounts that an engine makes for each container (``/etc/hostname``, …)."""


def own_container(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The id of the container in which this process runs, by its mounts (proc(5))."""
    try:
        mounts = mountinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = OWN_CONTAINER.search(mounts)
    return None if found is None else found[1]


def out_of_reach(client: "DockerClient", spec: ContainerSpec) -> str | None:
    """What of `spec`'s container this process could not reach, and what to set; None if nothing.

    That is so in a container of the same engine; one of another engine sees nothing of it.
    """
    from docker.errors import NotFound

    own = own_container()
    if own is None:
        return None
    try:
        return obstacle(client.api.inspect_container(own), spec)
    except NotFound:
        return None


def obstacle(own: dict[str, Any], spec: ContainerSpec) -> str | None:
    """The same for a process in the container whose inspection is `own`."""
    if own["HostConfig"]["NetworkMode"] != "host":
        return (
            "pytest runs in a container whose 127.0.0.1 isn't the engine's: start that container "
            "with --network host, or give it an engine of its own (DOCKER_HOST=tcp://…)"
        )
    for source, _target in spec.mounts:
        if source.startswith("/") and not _same_on_host(PurePosixPath(source), own["Mounts"]):
            return (
                f"server.volumes: {source} is inside the container in which pytest runs, and the "
                f"engine looks for it on the host: start that container with -v {source}:{source}"
            )
    return None


def _same_on_host(path: PurePosixPath, mounts: list[dict[str, Any]]) -> bool:
    """Whether `path` is in a folder of the host that is mounted under its own name."""
    around = [mount for mount in mounts if path.is_relative_to(mount["Destination"])]
    nearest = max(around, key=lambda mount: len(mount["Destination"]), default=None)
    return nearest is not None and nearest["Source"] == nearest["Destination"]
