"""What the host does to the server's cores: the time that it takes from them, and their speed."""

import os
from collections.abc import Collection
from pathlib import Path
from statistics import fmean

STEAL = 8
"""The place of the stolen time in a line of /proc/stat (proc_stat(5))."""


def steal_ns(cores: Collection[int], proc: Path = Path("/proc")) -> int | None:
    """The time since boot in which the hypervisor ran others on `cores`, mean over them."""
    names = {f"cpu{core}" for core in cores}
    try:
        lines = (proc / "stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    fields = (line.split() for line in lines if line.startswith("cpu"))
    ticks = [int(words[STEAL]) for words in fields if words[0] in names and len(words) > STEAL]
    return round(fmean(ticks) * 1e9 / os.sysconf("SC_CLK_TCK")) if ticks else None


def mhz(
    cores: Collection[int],
    system: Path = Path("/sys/devices/system/cpu"),
    proc: Path = Path("/proc"),
) -> float | None:
    """The present frequency of `cores`, mean over them; in most VMs it is a constant."""
    try:
        files = [system / f"cpu{core}" / "cpufreq" / "scaling_cur_freq" for core in cores]
        return fmean(int(file.read_text(encoding="ascii")) / 1e3 for file in files)
    except (OSError, ValueError):
        return _mhz_of_cpuinfo(cores, proc)


def _mhz_of_cpuinfo(cores: Collection[int], proc: Path) -> float | None:
    try:
        text = (proc / "cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.startswith("cpu MHz")]
    known = dict(enumerate(float(line.partition(":")[2]) for line in lines))
    of_cores = [known[core] for core in cores if core in known]
    return fmean(of_cores) if of_cores else None
