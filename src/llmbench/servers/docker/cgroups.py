"""Reads what a container uses from its cgroup's own files, where the engine runs on this host.

These files answer within a fraction of a millisecond, for the moment of asking. The Engine's stats
answer at its own next second, so use before a cell's start can't be told from use after it.
"""

import time
from pathlib import Path

from msgspec import Struct

from llmbench.servers.docker.usage import UsageReading, used_memory

UNLIMITED = 1 << 60
"""A limit of this size or more means "no limit", which cgroup v1 writes as a number near 2**63."""


class Cgroup(Struct, frozen=True):
    """The folders of a container's cgroup; in v2 they are all the same folder."""

    version: int
    cpuacct: Path
    cpu: Path
    memory: Path
    pids: Path
    pid: int

    def read(self) -> UsageReading | None:
        """What the container has used so far; None once it is gone."""
        try:
            return self._read_v1() if self.version == 1 else self._read_v2()
        except OSError:
            return None

    def cpu_ns(self) -> int | None:
        """The CPU time of all that ran in the container so far; None once it is gone."""
        try:
            if self.version == 1:
                return _number(self.cpuacct / "cpuacct.usage")
            return _table(self.cpu / "cpu.stat")["usage_usec"] * 1000
        except OSError:
            return None

    def _read_v1(self) -> UsageReading:
        now_ns = time.monotonic_ns()
        usage = _number(self.memory / "memory.usage_in_bytes")
        limit = _number(self.memory / "memory.limit_in_bytes")
        memory, cpu = _table(self.memory / "memory.stat"), _table(self.cpu / "cpu.stat")
        received, sent = _network(self.pid)
        return UsageReading(
            time_ns=now_ns,
            cpu_ns=_number(self.cpuacct / "cpuacct.usage"),
            memory_bytes=used_memory(usage, memory),
            usage_bytes=usage,
            peak_bytes=_number(self.memory / "memory.max_usage_in_bytes"),
            memory_limit_bytes=limit if limit < UNLIMITED else None,
            anon_bytes=memory.get("total_rss"),
            file_bytes=memory.get("total_cache"),
            shmem_bytes=memory.get("total_shmem"),
            throttled_periods=cpu.get("nr_throttled"),
            throttled_ns=cpu.get("throttled_time"),
            network_rx_bytes=received,
            network_tx_bytes=sent,
            pids=_number(self.pids / "pids.current"),
        )

    def _read_v2(self) -> UsageReading:
        now_ns = time.monotonic_ns()
        usage = _number(self.memory / "memory.current")
        limit = (self.memory / "memory.max").read_text(encoding="ascii").strip()
        memory, cpu = _table(self.memory / "memory.stat"), _table(self.cpu / "cpu.stat")
        peak = self.memory / "memory.peak"  # from Linux 5.19 on
        received, sent = _network(self.pid)
        return UsageReading(
            time_ns=now_ns,
            cpu_ns=cpu["usage_usec"] * 1000,
            memory_bytes=used_memory(usage, memory),
            usage_bytes=usage,
            peak_bytes=_number(peak) if peak.exists() else None,
            memory_limit_bytes=None if limit == "max" else int(limit),
            anon_bytes=memory.get("anon"),
            file_bytes=memory.get("file"),
            shmem_bytes=memory.get("shmem"),
            throttled_periods=cpu.get("nr_throttled"),
            throttled_ns=cpu["throttled_usec"] * 1000 if "throttled_usec" in cpu else None,
            network_rx_bytes=received,
            network_tx_bytes=sent,
            pids=_number(self.pids / "pids.current"),
        )


def find_cgroup(
    pid: int,
    container_id: str,
    root: Path = Path("/sys/fs/cgroup"),
    proc: Path = Path("/proc"),
) -> Cgroup | None:
    """The cgroup of the container whose first process is `pid`; None when it can't be seen.

    That is so when the engine runs in a virtual machine, on another host, or in another pid
    namespace.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    paths = {
        controller: path
        for _, controllers, path in (line.split(":", 2) for line in lines)
        if container_id in path
        for controller in controllers.split(",")
    }
    cgroup = _v1(paths, pid, root) or _v2(paths, pid, root)
    return cgroup if cgroup is not None and cgroup.read() is not None else None


def _v1(paths: dict[str, str], pid: int, root: Path) -> Cgroup | None:
    controllers = ("cpuacct", "cpu", "memory", "pids")
    if not paths.keys() >= set(controllers):
        return None
    cpuacct, cpu, memory, pids = (root / c / paths[c].lstrip("/") for c in controllers)
    return Cgroup(1, cpuacct, cpu, memory, pids, pid)


def _v2(paths: dict[str, str], pid: int, root: Path) -> Cgroup | None:
    if "" not in paths:
        return None
    folder = root / paths[""].lstrip("/")
    return Cgroup(2, folder, folder, folder, folder, pid)


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _table(path: Path) -> dict[str, int]:
    """The numbers of a file whose lines are ``name number``, by name."""
    words = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {name: int(value) for name, value in words}


def _network(pid: int) -> tuple[int | None, int | None]:
    """The bytes that the network namespace of `pid` received and sent, without loopback."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return None, None
    received = sent = 0
    for line in lines:
        name, _, counters = line.partition(":")
        if name.strip() != "lo":
            fields = counters.split()
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent
