"""Samples a running server's CPU and memory about once a second and labels each with its cell.

Between samples it reads the CPU time alone, often enough to know it at both edges of a window.
"""

import threading
import time
from collections.abc import Callable

import msgspec

from llmbench.clock import Clock
from llmbench.records import ResourceSample
from llmbench.servers.core_state import mhz, steal_ns
from llmbench.servers.cpu_trace import READ_PERIOD_S, CpuTrace
from llmbench.servers.energy import EnergyMeter
from llmbench.servers.running import RunningServer


class Sampler:
    """Samples `server` every `period_s` in a thread of its own and hands each sample to `sink`.

    `tag` names the cell that runs from now on; what was used before is credited to the last tag.
    With a `meter`, samples tell the energy too. `stop` takes a last sample. The sampler is also a
    context manager, which stops it.
    """

    def __init__(
        self,
        server: RunningServer,
        sink: Callable[[ResourceSample], None],
        period_s: float = 1.0,
        meter: EnergyMeter | None = None,
    ) -> None:
        self._server = server
        self._sink = sink
        self._period_s = period_s
        self._meter = meter
        self._clock = Clock()
        self._cell: str | None = None
        self._repeat: int | None = None
        self._trace = CpuTrace()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmbench-sampler", daemon=True)
        self._thread.start()

    @property
    def readings(self) -> tuple[tuple[int, int], ...]:
        """(instant, CPU time used until then) of the repeat that was tagged last."""
        return self._trace.pairs

    def tag(self, cell_id: str | None, repeat: int | None = None) -> None:
        """From now on samples belong to that repeat of that cell (None: to no cell)."""
        with self._lock:
            self._take()
            self._read()
            if cell_id is not None:
                self._trace = CpuTrace()
            self._cell, self._repeat = cell_id, repeat
            self._read()

    def stop(self) -> None:
        """Take the last sample and end the thread; a second call does nothing."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            with self._lock:
                self._take()

    def __enter__(self) -> "Sampler":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        sampled_s = time.monotonic()
        while not self._ended.wait(min(READ_PERIOD_S, self._period_s)):
            with self._lock:
                if self._trace.is_due(self._clock.unix_ns()):
                    self._read()
                if time.monotonic() >= sampled_s + self._period_s:
                    sampled_s = time.monotonic()
                    self._take()

    def _read(self) -> None:
        """Read the CPU time, if a cell runs."""
        if self._cell is None:
            return
        now_ns, cpu_ns = self._clock.unix_ns(), self._server.cpu_ns()
        if cpu_ns is not None:
            self._trace.add(now_ns, cpu_ns)

    def _take(self) -> None:
        sample = self._server.sample()
        if sample is None:
            return
        here = self._server.cpu_ns() is not None
        replicas = self._server.endpoint.replicas if here else ()
        cores = tuple(core for replica in replicas for core in replica.launch.cores)
        package_j, dram_j = self._meter.joules() if self._meter else (None, None)
        self._sink(
            msgspec.structs.replace(
                sample,
                cell=self._cell,
                repeat=self._repeat,
                steal_ns=steal_ns(cores),
                cpu_mhz=mhz(cores) if cores else None,
                package_j=package_j,
                dram_j=dram_j,
                idle_power_w=self._meter.idle.power_w if self._meter else None,
            )
        )
