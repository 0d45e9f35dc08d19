"""Reads the topology of this host from sysfs, which Linux alone has."""

import os
import re
from pathlib import Path

from llmbench.servers.placement.topology import Cpu, Topology, flat, parse_cpuset

DEVICES = Path("/sys/devices")


def usable_cores() -> tuple[int, ...]:
    """The numbers of the CPUs that this process may run on, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def usable_topology() -> Topology:
    """The part of this host that this process may run on."""
    usable = usable_cores()
    here = read_topology().only(usable)
    return here if here.numbers == usable else flat(usable)


def read_topology(devices: Path = DEVICES) -> Topology:
    """The CPUs that are online, as ``/sys/devices`` tells; none where there is no such tree."""
    nodes = {_number(path): path for path in _entries(devices / "system" / "node", "node[0-9]*")}
    node_of = {
        cpu: node for node, path in nodes.items() for cpu in parse_cpuset(_text(path / "cpulist"))
    }
    online = parse_cpuset(_text(devices / "system" / "cpu" / "online"))
    slow = _slow(devices, online)
    return Topology(
        tuple(_cpu(devices, number, node_of.get(number, 0), number in slow) for number in online),
        {node: size for node, path in nodes.items() if (size := _memory_bytes(path)) is not None},
    )


def _entries(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []


def _cpu(devices: Path, number: int, node: int, slow: bool) -> Cpu:
    topology = devices / "system" / "cpu" / f"cpu{number}" / "topology"
    siblings = parse_cpuset(_text(topology / "thread_siblings_list"))
    package = _text(topology / "physical_package_id")
    return Cpu(
        number,
        min(siblings, default=number),
        node,
        max(0, int(package or 0)),  # -1 where the machine doesn't tell
        slow,
    )


def _slow(devices: Path, online: tuple[int, ...]) -> set[int]:
    """The efficiency cores: x86 lists them, Arm gives each core's capacity (at most 1024)."""
    atoms = parse_cpuset(_text(devices / "cpu_atom" / "cpus"))
    capacities = {
        number: int(text)
        for number in online
        if (text := _text(devices / "system" / "cpu" / f"cpu{number}" / "cpu_capacity"))
    }
    most = max(capacities.values(), default=0)
    return {*atoms, *(number for number, capacity in capacities.items() if capacity < most)}


def _memory_bytes(node: Path) -> int | None:
    found = re.search(r"MemTotal:\s*(\d+) kB", _text(node / "meminfo"))
    return None if found is None else int(found[1]) * 1024


def _number(path: Path) -> int:
    return int(path.name.lstrip("node"))


def _text(path: Path) -> str:
    """The text of a small file; empty where it can't be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
