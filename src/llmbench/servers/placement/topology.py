"""The cores of a host as data: SMT siblings, NUMA nodes, packages, and slower cores."""

from collections.abc import Iterable

from msgspec import Struct


class Cpu(Struct, frozen=True):
    """What the kernel counts as one CPU and a cloud sells as one vCPU."""

    number: int
    core: int  # the lowest number of its physical core, which SMT siblings have in common
    node: int = 0  # NUMA
    package: int = 0  # socket
    slow: bool = False  # an efficiency core of a hybrid processor


class PhysicalCore(Struct, frozen=True):
    """A core with the numbers of its threads, ascending."""

    threads: tuple[int, ...]
    node: int
    package: int
    slow: bool


class Topology(Struct, frozen=True):
    """The CPUs of a host, ascending, and the memory of each NUMA node where it is known."""

    cpus: tuple[Cpu, ...]
    node_memory_bytes: dict[int, int] = {}

    @property
    def nodes(self) -> tuple[int, ...]:
        """The NUMA nodes that have CPUs."""
        return tuple(sorted({cpu.node for cpu in self.cpus}))

    @property
    def packages(self) -> tuple[int, ...]:
        return tuple(sorted({cpu.package for cpu in self.cpus}))

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(cpu.number for cpu in self.cpus)

    @property
    def cores(self) -> tuple[PhysicalCore, ...]:
        """The physical cores, by the number of their first thread."""
        threads: dict[int, list[Cpu]] = {}
        for cpu in self.cpus:
            threads.setdefault(cpu.core, []).append(cpu)
        return tuple(
            PhysicalCore(tuple(cpu.number for cpu in of), of[0].node, of[0].package, of[0].slow)
            for of in threads.values()
        )

    def only(self, numbers: Iterable[int]) -> "Topology":
        """The part of it that has these numbers; siblings keep what they have in common."""
        kept = set(numbers)
        return Topology(
            tuple(cpu for cpu in self.cpus if cpu.number in kept), self.node_memory_bytes
        )


def flat(numbers: Iterable[int]) -> Topology:
    """CPUs of which only the numbers are known: each is a core, and all are on one node."""
    return Topology(tuple(Cpu(number, number) for number in sorted(numbers)))


def format_cpuset(numbers: Iterable[int]) -> str:
    """``0-3,8`` for (0, 1, 2, 3, 8)."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def parse_cpuset(text: str) -> tuple[int, ...]:
    """(0, 1, 2, 3, 8) for ``0-3,8``; empty for an empty text."""
    numbers: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)
