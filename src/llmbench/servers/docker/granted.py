"""Compares what a container was given with what was asked for, as the engine tells it."""

from collections.abc import Iterator
from typing import Any

from llmbench.servers.docker.spec import ContainerSpec
from llmbench.servers.placement.topology import parse_cpuset
from llmbench.servers.running import LaunchError


def check_devices(name: str, spec: ContainerSpec, granted: dict[str, Any]) -> None:
    """Raise `LaunchError` where the engine left out GPUs or devices that were asked for.

    An engine may do so without a word (Podman's Docker API does); what would be measured then is
    the model on CPUs.
    """
    requests = granted.get("DeviceRequests") or []
    given = [request.get("DeviceIDs") or request.get("Count") for request in requests]
    wanted = spec.gpus if isinstance(spec.gpus, int) else list(spec.gpus)
    if spec.gpus and wanted not in given:
        raise LaunchError(
            name,
            "the engine ignored server.gpus, so the model would compute on CPUs",
            hint="use Docker itself (Podman's Docker API knows no GPU requests), or name the "
            "GPUs' files in server.devices",
        )
    present = {device["PathOnHost"] for device in granted.get("Devices") or []}
    missing = [device for device in spec.devices if device.partition(":")[0] not in present]
    if missing:
        raise LaunchError(name, f"the engine ignored server.devices: {', '.join(missing)}")


def shortfalls(spec: ContainerSpec, granted: dict[str, Any]) -> Iterator[str]:
    """Notes on what was asked for but that the engine did not set."""
    if spec.memory_bytes is not None and granted["Memory"] != spec.memory_bytes:
        yield f"the engine set the memory limit to {granted['Memory']}, not {spec.memory_bytes}"
    if spec.memory_bytes is not None and granted["MemorySwap"] != granted["Memory"]:
        yield "swap could not be switched off: memory beyond the limit goes to disk, slowly"
    if spec.cpuset and parse_cpuset(granted["CpusetCpus"]) != spec.cpuset:
        yield f"the engine set the cpuset to {granted['CpusetCpus']!r}"
    for key, asked in (("IpcMode", spec.ipc), ("Runtime", spec.runtime)):
        if asked is not None and granted.get(key) != asked:
            yield f"the engine set {key} to {granted.get(key)!r}, not {asked!r}"
    if not set(spec.group_add) <= set(granted.get("GroupAdd") or ()):
        yield f"the engine set the groups to {granted.get('GroupAdd')}"
    limits = {_ulimit(limit["Name"]): limit["Soft"] for limit in granted.get("Ulimits") or []}
    for limit, value in spec.ulimits:
        if limits.get(_ulimit(limit)) != value:
            yield f"the engine set ulimit {limit} to {limits.get(_ulimit(limit))}, not {value}"


def _ulimit(name: str) -> str:
    """``memlock`` for Podman's ``RLIMIT_MEMLOCK`` too."""
    return name.lower().removeprefix("rlimit_")
