"""Measures the CPU time and memory of a process and all that it started."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from llmbench.clock import Clock
from llmbench.records import ResourceSample
from llmbench.servers.local.cpu_clocks import ended_children_cpu_ns, process_cpu_ns


class ProcessTree:
    """A process and its descendants, whose CPU time and resident memory are measured."""

    def __init__(
        self,
        pid: int,
        target: str,
        limit_cores: float | None,
        clock: Clock,
        *,
        supervised: bool = False,
    ) -> None:
        self._root = psutil.Process(pid)
        self._supervised = supervised  # the root only ends the server, so it isn't counted
        self._target = target
        self._limit_cores = limit_cores
        self._clock = clock
        self._cpu_s: dict[int, float] = {}
        self._look()
        self._last_ns = time.monotonic_ns()

    def sample(self) -> ResourceSample | None:
        """The use since the last sample (100 % is one core); None when the root is gone."""
        now_ns = time.monotonic_ns()
        use = self._look()
        if use is None:
            return None
        used_s, memory_bytes, pids = use
        elapsed_s = max(now_ns - self._last_ns, 1) / 1e9
        self._last_ns = now_ns
        return ResourceSample(
            time_ns=self._clock.to_unix_ns(now_ns),
            target=self._target,
            cell=None,
            repeat=None,
            cpu_percent=100 * used_s / elapsed_s,
            memory_bytes=memory_bytes,
            cpu_limit_cores=self._limit_cores,
            pids=pids,
        )

    def cpu_ns(self) -> int | None:
        """The CPU time so far of the processes that the last sample saw, and of all that ended.

        A process that has ended is in the time of the one that waited for it (proc_pid_stat(5)).
        None when none of them is left.
        """
        own = [time_ns for pid in self._cpu_s if (time_ns := process_cpu_ns(pid)) is not None]
        if not own:
            return None
        waiting = {*self._cpu_s, self._root.pid}
        return sum(own) + sum(ended_children_cpu_ns(pid) for pid in waiting)

    def each(self, act: Callable[[psutil.Process], object]) -> None:
        """Do `act` to every process, as far as they still run."""
        for process in self._processes():
            with suppress(psutil.Error):
                act(process)

    def peak_memory_bytes(self) -> int | None:
        """The sum of its processes' greatest resident sets so far; None where it isn't known."""
        peaks = [peak_memory_bytes(process.pid) for process in self._processes()]
        known_peaks = [peak for peak in peaks if peak is not None]
        return sum(known_peaks) if known_peaks else None

    def _look(self) -> tuple[float, int, int] | None:
        """The CPU seconds since the last look, and the present resident bytes and processes."""
        used_s, memory_bytes, cpu_s = 0.0, 0, {}
        for process in self._processes():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory_bytes += process.memory_info().rss
            except psutil.Error:
                continue
            cpu_s[process.pid] = times.user + times.system
            used_s += cpu_s[process.pid] - self._cpu_s.get(process.pid, 0.0)
        if not cpu_s or not (self._supervised or self._root.pid in cpu_s):
            return None
        self._cpu_s = cpu_s
        return used_s, memory_bytes, len(cpu_s)

    def _processes(self) -> list[psutil.Process]:
        try:
            root = [] if self._supervised else [self._root]
            return root + self._root.children(recursive=True)
        except psutil.Error:
            return []


def peak_memory_bytes(pid: int) -> int | None:
    """The greatest resident set of a process so far; None where the system doesn't say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
