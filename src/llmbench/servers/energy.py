"""Counts what the processors and memory of this host take (RAPL), where that is the server's.

The counters are of the whole host. So they say nothing of one server in a virtual machine, in a
container, or on a host that others keep busy: there the energy is not known, and the reason told.
"""

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

POWERCAP, PROC, ROOT = Path("/sys/class/powercap"), Path("/proc"), Path("/")
IDLE_S = 2.0
"""How long the host is watched before a launch, for the power that it takes without the server."""

MOST_BUSY = 0.05
"""The share of the cores that others may keep busy then; their energy would be the server's."""


class Domain(Struct, frozen=True):
    """A counter of energy: of a package, with its cores, or of the memory beside it."""

    name: str  # package-0, dram
    file: Path
    range_uj: int  # at which it begins at 0 again


class Idle(Struct, frozen=True):
    """What the host did before a server was launched."""

    power_w: float
    busy_share: float


def domains(powercap: Path = POWERCAP) -> tuple[Domain, ...]:
    """The packages and memories of this host; AMD's processors have theirs under Intel's name."""
    found = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        name = _text(folder / "name")
        if name.startswith("package-") or name == "dram":
            most = int(_text(folder / "max_energy_range_uj") or 0)
            found.append(Domain(name, folder / "energy_uj", most))
    return tuple(found)


def energy_unknown(powercap: Path = POWERCAP, proc: Path = PROC, root: Path = ROOT) -> str | None:
    """Why the energy of a server on this host can't be known; None where it can."""
    if " hypervisor" in _text(proc / "cpuinfo"):
        return "this is a virtual machine, and RAPL counts its whole host"
    if any((root / name).exists() for name in (".dockerenv", "run/.containerenv")):
        return "this is a container, and RAPL counts its whole host"
    counters = domains(powercap)
    if not counters:
        return f"the kernel shows no RAPL package in {powercap}"
    closed = [domain for domain in counters if not _text(domain.file)]
    return f"{closed[0].file} can't be read (most systems let only root)" if closed else None


class EnergyMeter:
    """What the host has taken since the meter was made, by counters that start again at 0."""

    def __init__(self, counters: tuple[Domain, ...], idle: Idle) -> None:
        self.idle = idle
        self._counters = counters
        self._before_uj = [_reading(domain) for domain in counters]
        self._gained_uj = [0] * len(counters)

    def joules(self) -> tuple[float, float | None]:
        """Of all packages, and of the memory where it is counted apart.

        It is to be read at least once each time that a counter goes round, which takes minutes.
        """
        for place, domain in enumerate(self._counters):
            now_uj = _reading(domain)
            gained = now_uj - self._before_uj[place]
            self._gained_uj[place] += gained if gained >= 0 else gained + domain.range_uj
            self._before_uj[place] = now_uj
        of_memory = [g for d, g in zip(self._counters, self._gained_uj, strict=True) if _is_dram(d)]
        packages_uj = sum(self._gained_uj) - sum(of_memory)
        return packages_uj / 1e6, sum(of_memory) / 1e6 if of_memory else None


def energy_meter(
    say: Callable[[str], None],
    *,
    powercap: Path = POWERCAP,
    proc: Path = PROC,
    root: Path = ROOT,
    idle_s: float = IDLE_S,
) -> EnergyMeter | None:
    """A meter for the server that is launched next; None where its energy can't be known."""
    if energy_unknown(powercap, proc, root) is not None:
        return None
    counters = domains(powercap)
    idle = _idle(counters, proc, idle_s)
    if idle.busy_share > MOST_BUSY:
        say(
            f"energy: not known: before the launch, others kept {100 * idle.busy_share:.0f} % of "
            "this host's cores busy, and RAPL counts theirs too"
        )
        return None
    return EnergyMeter(counters, idle)


def _idle(counters: tuple[Domain, ...], proc: Path, idle_s: float) -> Idle:
    """Watch the host for a while."""
    meter, before, began_s = EnergyMeter(counters, Idle(0, 0)), _ticks(proc), time.monotonic()
    time.sleep(idle_s)
    packages_j, memory_j = meter.joules()
    seconds, after = time.monotonic() - began_s, _ticks(proc)
    busy, every = (now - then for now, then in zip(after, before, strict=True))
    return Idle((packages_j + (memory_j or 0.0)) / seconds, busy / every if every else 0.0)


def _ticks(proc: Path) -> tuple[int, int]:
    """The ticks of all cores since boot: in which they were busy, and all (proc_stat(5))."""
    words = _text(proc / "stat").partition("\n")[0].split()[1:9]
    ticks = [int(word) for word in words]
    return sum(ticks) - sum(ticks[3:5]), sum(ticks)


def _reading(domain: Domain) -> int:
    return int(_text(domain.file))


def _is_dram(domain: Domain) -> bool:
    return domain.name == "dram"


def _text(file: Path) -> str:
    """The file's text; empty where it is missing or can't be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
