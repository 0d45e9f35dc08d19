"""Reads the CPU time of other processes: exactly while they run, in ticks once they have ended."""

import os
import time
from pathlib import Path

SCHED = 2  # CPUCLOCK_SCHED of Linux: what the scheduler counts


def process_cpu_ns(pid: int) -> int | None:
    """The CPU time of a process and all of its threads so far (clock_getcpuclockid(3)).

    None where there is no such process, or no such clock.
    """
    try:
        return time.clock_gettime_ns(~pid << 3 | SCHED)
    except OSError:
        return None


def ended_children_cpu_ns(pid: int) -> int:
    """The CPU time of the children that ended and that `pid` waited for, to a tick (10 ms)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    user, system = text.rpartition(")")[2].split()[13:15]  # cutime, cstime
    return (int(user) + int(system)) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
