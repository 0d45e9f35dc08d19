"""Samples what a running container uses, from the cheapest source that is available."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmbench.clock import Clock
from llmbench.records import ResourceSample
from llmbench.servers.docker.cgroups import find_cgroup
from llmbench.servers.docker.usage import UsageReading, reading_of_stats, usage_sample
from llmbench.servers.gpus.nvml import Gpu, gpu_samples, with_gpus

if TYPE_CHECKING:
    from docker.models.containers import Container


PEAK_PERIOD_S = 0.05
"""How often a starting container is looked at: 20 times a second, of 0.3 ms each."""


class Profile:
    """Measures the CPU, memory, network and GPU use of one container.

    `gpus` are those that it was given. `limit_cores` is the limit that its CPU use is a share of.
    """

    def __init__(
        self,
        container: "Container",
        target: str,
        *,
        limit_cores: float | None,
        gpus: tuple[Gpu, ...] = (),
        clock: Clock | None = None,
    ) -> None:
        self._container = container
        self._target = target
        self._limit_cores = limit_cores
        self._gpus = gpus
        self._clock = clock or Clock()
        self._cgroup = find_cgroup(container.attrs["State"]["Pid"], str(container.id))
        self._last = self.read()

    @property
    def source(self) -> str:
        """The source of the readings: ``cgroup v1``, ``cgroup v2`` or ``docker stats``."""
        return "docker stats" if self._cgroup is None else f"cgroup v{self._cgroup.version}"

    def read(self) -> UsageReading | None:
        """What the container has used so far; None once it has ended."""
        if self._cgroup is not None:
            return self._cgroup.read()
        import requests
        from docker.errors import APIError

        try:
            stats: Any = self._container.stats(stream=False, one_shot=True)
        except (APIError, requests.RequestException):
            return None
        return reading_of_stats(stats)

    def cpu_ns(self) -> int | None:
        """The CPU time used so far; None where only the Engine's stats tell it, a second late."""
        return None if self._cgroup is None else self._cgroup.cpu_ns()

    def sample(self) -> ResourceSample | None:
        """The use since the last sample; None at first, and once the container has ended."""
        before, now = self._last, self.read()
        self._last = now
        if before is None or now is None:
            return None
        sample = usage_sample(
            before,
            now,
            time_ns=self._clock.unix_ns(),
            target=self._target,
            limit_cores=self._limit_cores,
        )
        return with_gpus(sample, gpu_samples(self._gpus))


class PeakMemory:
    """Follows what a container uses while the context is open, for the most that it needs.

    The kernel's own peak includes the cache of the files that were read meanwhile.
    """

    def __init__(
        self, read: Callable[[], UsageReading | None], period_s: float = PEAK_PERIOD_S
    ) -> None:
        self.own_bytes: int | None = None  # greatest so far; None: not known
        self.cache_bytes: int | None = None
        self._read = read
        self._period_s = period_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmbench-peak", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(self._period_s)  # looks once more after the end
            reading = self._read()
            if reading is not None:
                self.own_bytes = _greatest(self.own_bytes, reading.own_bytes)
                self.cache_bytes = _greatest(self.cache_bytes, reading.cache_bytes)


def _greatest(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)
