"""The parts of this host that move numbers, as far as Linux tells of them."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmbench.servers import Topology, cpu_instructions, format_cpuset, read_topology

DMIDECODE_S = 5.0


def describe_hardware(root: Path = Path("/")) -> dict[str, Any]:
    """Topology, instructions, frequency, huge pages, memory, virtualisation and drivers.

    `root` is where ``/sys`` and ``/proc`` are.
    """
    found = {
        "topology": topology_of(read_topology(root / "sys" / "devices")),
        "instructions": list(cpu_instructions(root / "proc" / "cpuinfo")),
        **_frequency(root / "sys" / "devices" / "system" / "cpu"),
        "huge_pages": _huge_pages(root),
        "memory_speed": _memory_speed() if root == Path("/") else None,
        "hypervisor": _hypervisor(root),
        "drivers": _drivers(root),
    }
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def topology_of(host: Topology) -> dict[str, Any]:
    """The numbers of sockets, cores and threads, and the CPUs of each NUMA node.

    `nodes_per_socket` above 1 is SNC on Intel's processors, and NPS on AMD's.
    """
    if not host.cpus:
        return {}
    nodes = {
        str(node): format_cpuset(cpu.number for cpu in host.cpus if cpu.node == node)
        for node in host.nodes
    }
    return {
        "sockets": len(host.packages),
        "cores": len(host.cores),
        "threads": len(host.cpus),
        "smt": any(len(core.threads) > 1 for core in host.cores),
        "efficiency_cores": sum(core.slow for core in host.cores),
        "nodes_per_socket": max(1, len(host.nodes) // len(host.packages)),
        "numa_nodes": nodes,
    }


def _frequency(cpu: Path) -> dict[str, Any]:
    """The governor, the most MHz, and whether turbo is on, of the first core."""
    policy = cpu / "cpu0" / "cpufreq"
    most_khz, no_turbo = _text(policy / "cpuinfo_max_freq"), _text(cpu / "intel_pstate/no_turbo")
    boost = _text(cpu / "cpufreq" / "boost")
    turbo = {"0": True, "1": False}.get(no_turbo or "") if no_turbo else None
    return {
        "governor": _text(policy / "scaling_governor"),
        "most_mhz": round(int(most_khz) / 1000) if most_khz else None,
        "turbo": boost == "1" if turbo is None and boost else turbo,
    }


def _huge_pages(root: Path) -> str | None:
    """Transparent ones (always, madvise, never), and how many are reserved."""
    chosen = re.search(
        r"\[(\w+)\]", _text(root / "sys/kernel/mm/transparent_hugepage/enabled") or ""
    )
    reserved = _text(root / "proc" / "sys" / "vm" / "nr_hugepages")
    words = [f"transparent: {chosen[1]}"] if chosen else []
    words += [f"{reserved} reserved"] if reserved not in (None, "0") else []
    return ", ".join(words) or None


def _memory_speed() -> str | None:
    """The speed of the memory modules as ``dmidecode`` tells it to root, like ``8 x 4800 MT/s``."""
    program = shutil.which("dmidecode")
    if program is None:
        return None
    try:
        told = subprocess.check_output(
            [program, "--type", "memory"], text=True, timeout=DMIDECODE_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return speed_of_modules(told)


def speed_of_modules(told: str) -> str | None:
    """The number and speed of the modules in ``dmidecode``'s words; None where they don't tell."""
    speeds = re.findall(r"^\s*Configured (?:Memory|Clock) Speed: (\d+ MT/s)", told, re.MULTILINE)
    kinds = [f"{speeds.count(speed)} x {speed}" for speed in dict.fromkeys(speeds)]
    return ", ".join(kinds) or None


def _hypervisor(root: Path) -> str | None:
    """What this virtual machine runs on; None on a host that is none."""
    if not re.search(
        r"^flags\s*:.*\bhypervisor\b", _text(root / "proc/cpuinfo") or "", re.MULTILINE
    ):
        return None
    vendor = _text(root / "sys" / "class" / "dmi" / "id" / "sys_vendor")
    product = _text(root / "sys" / "class" / "dmi" / "id" / "product_name")
    return " ".join(filter(None, (vendor, product))) or "of an unknown kind"


def _drivers(root: Path) -> Mapping[str, str]:
    """The versions of the GPUs' kernel drivers."""
    nvidia = re.search(
        r"Kernel Module\D*([\d.]+)", _text(root / "proc" / "driver" / "nvidia" / "version") or ""
    )
    amd = _text(root / "sys" / "module" / "amdgpu" / "version")
    found = {"nvidia": nvidia[1] if nvidia else None, "amdgpu": amd}
    return {name: version for name, version in found.items() if version}


def _text(path: Path) -> str | None:
    """The text of a small file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
