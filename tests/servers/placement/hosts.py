"""Hosts as ``lscpu -e`` shows them, written down shortly, and as the sysfs tree that says the same.

Each line holds a NUMA node, its socket, the first threads of its cores, and their second threads
in the same order (``-``: there are none). An ``E`` marks efficiency cores.
"""

from pathlib import Path

from msgspec import Struct

from llmbench.servers.placement.topology import Cpu, Topology, format_cpuset, parse_cpuset


class RecordedHost(Struct, frozen=True):
    """A host's name and its lines."""

    name: str
    lines: tuple[str, ...]
    node_memory_bytes: int = 64 << 30

    @property
    def topology(self) -> Topology:
        cpus = sorted(
            (
                Cpu(number, core, node, package, slow)
                for node, package, cores, slow in self._rows()
                for core, threads in cores.items()
                for number in threads
            ),
            key=lambda cpu: cpu.number,
        )
        memory = dict.fromkeys(sorted({cpu.node for cpu in cpus}), self.node_memory_bytes)
        return Topology(tuple(cpus), memory)

    def write_sysfs(self, devices: Path) -> None:
        """Make what the kernel shows of this host below ``/sys/devices``."""
        files: dict[str, str] = {}
        nodes: dict[int, list[str]] = {}
        for line, (node, package, cores, slow) in zip(self.lines, self._rows(), strict=True):
            nodes.setdefault(node, []).extend(w for w in line.split()[2:4] if w != "-")
            for threads in cores.values():
                for number in threads:
                    topology = f"system/cpu/cpu{number}/topology"
                    files[f"{topology}/physical_package_id"] = str(package)
                    files[f"{topology}/thread_siblings_list"] = ",".join(map(str, threads))
            if slow:
                files["cpu_atom/cpus"] = line.split()[2]
        for node, cpus in nodes.items():
            files[f"system/node/node{node}/cpulist"] = ",".join(cpus)
            kib = self.node_memory_bytes // 1024
            files[f"system/node/node{node}/meminfo"] = f"Node {node} MemTotal:  {kib} kB"
        files["system/cpu/online"] = format_cpuset(self.topology.numbers)
        for name, text in files.items():
            (devices / name).parent.mkdir(parents=True, exist_ok=True)
            (devices / name).write_text(text + "\n", encoding="utf-8")

    def _rows(self) -> list[tuple[int, int, dict[int, tuple[int, ...]], bool]]:
        """Of each line: node, package, the threads of each core by its first, whether slow."""
        rows = []
        for line in self.lines:
            node, package, firsts, seconds, *kind = line.split()
            both = [parse_cpuset(text) for text in (firsts, seconds) if text != "-"]
            cores = {threads[0]: tuple(threads) for threads in zip(*both, strict=True)}
            rows.append((int(node), int(package), cores, kind == ["E"]))
        return rows

    @staticmethod
    def all() -> tuple["RecordedHost", ...]:
        return (
            TWO_SOCKETS,
            EPYC_NPS4,
            SAPPHIRE_RAPIDS_SNC4,
            ADJACENT_SIBLINGS,
            NO_SMT,
            HYBRID,
        )


TWO_SOCKETS = RecordedHost("two sockets with SMT", ("0 0 0-19 40-59", "1 1 20-39 60-79"))
"""2 x Xeon Gold 6148."""

EPYC_NPS4 = RecordedHost(
    "EPYC, NPS4",
    tuple(
        f"{node} {node // 4} {16 * node}-{16 * node + 15} {16 * node + 128}-{16 * node + 143}"
        for node in range(8)
    ),
)
"""2 x EPYC 7763 with four nodes per socket."""

SAPPHIRE_RAPIDS_SNC4 = RecordedHost(
    "Sapphire Rapids, SNC4",
    tuple(
        f"{node} {node // 4} {14 * node}-{14 * node + 13} {14 * node + 112}-{14 * node + 125}"
        for node in range(8)
    ),
)
"""2 x Xeon Platinum 8480+ with sub-NUMA clustering."""

ADJACENT_SIBLINGS = RecordedHost("adjacent siblings", ("0 0 0,2,4,6 1,3,5,7",))
"""A virtual machine of 8 vCPUs, as clouds number them."""

NO_SMT = RecordedHost("no SMT", ("0 0 0-63 -",))
"""A Graviton3 of 64 cores."""

HYBRID = RecordedHost("hybrid", ("0 0 0,2,4,6,8,10,12,14 1,3,5,7,9,11,13,15", "0 0 16-23 - E"))
"""A Core i9-12900K: 8 performance cores and 8 efficiency cores."""
