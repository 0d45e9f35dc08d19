"""Reads from the Engine's stats what a container has used so far (cgroup v1 and v2).

The formulas are those of the docker command (docker/cli, cli/command/container/stats_helpers.go):
memory is the cgroup's usage less its inactive file cache, and 100 % of CPU is one core.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct

from llmbench.records import ResourceSample


class UsageReading(Struct, frozen=True):
    """Counters since the container's start, and levels at present; ``None`` means not known.

    `time_ns` only orders and spaces the readings of one source.
    """

    time_ns: int
    cpu_ns: int
    memory_bytes: int  # as docker stats counts it
    usage_bytes: int  # with all file cache
    peak_bytes: int | None = None  # of usage_bytes
    memory_limit_bytes: int | None = None
    anon_bytes: int | None = None
    file_bytes: int | None = None
    shmem_bytes: int | None = None
    throttled_periods: int | None = None
    throttled_ns: int | None = None
    network_rx_bytes: int | None = None
    network_tx_bytes: int | None = None
    pids: int | None = None

    @property
    def own_bytes(self) -> int | None:
        """Anonymous and shared memory: what is the processes' own, and no file's cache."""
        return None if self.anon_bytes is None else self.anon_bytes + (self.shmem_bytes or 0)

    @property
    def cache_bytes(self) -> int | None:
        """The cache of files; the kernel counts shared memory among these, and here it isn't."""
        return None if self.file_bytes is None else self.file_bytes - (self.shmem_bytes or 0)


def reading_of_stats(stats: dict[str, Any]) -> UsageReading | None:
    """The Engine's ``/containers/ID/stats`` as a reading; None for a container that has ended."""
    memory, cpu = stats.get("memory_stats") or {}, stats.get("cpu_stats") or {}
    if "usage" not in memory:  # so answers the engine for a container that doesn't run
        return None
    detail = memory.get("stats") or {}
    throttling = cpu.get("throttling_data") or {}
    networks = (stats.get("networks") or {}).values()
    v1 = "total_inactive_file" in detail
    return UsageReading(
        time_ns=_stamp_ns(stats["read"]),
        cpu_ns=cpu["cpu_usage"]["total_usage"],
        memory_bytes=used_memory(memory["usage"], detail),
        usage_bytes=memory["usage"],
        peak_bytes=memory.get("max_usage") or None,
        memory_limit_bytes=memory.get("limit"),
        anon_bytes=detail.get("total_rss" if v1 else "anon"),
        file_bytes=detail.get("total_cache" if v1 else "file"),
        shmem_bytes=detail.get("total_shmem" if v1 else "shmem"),
        throttled_periods=throttling.get("throttled_periods"),
        throttled_ns=throttling.get("throttled_time"),
        network_rx_bytes=sum(n["rx_bytes"] for n in networks) if networks else None,
        network_tx_bytes=sum(n["tx_bytes"] for n in networks) if networks else None,
        pids=(stats.get("pids_stats") or {}).get("current"),
    )


def used_memory(usage_bytes: int, detail: dict[str, int]) -> int:
    """`usage_bytes` less the inactive file cache, as ``docker stats`` shows it."""
    for key in ("total_inactive_file", "inactive_file"):  # cgroup v1, v2
        if key in detail:
            cache = detail[key]
            return usage_bytes - cache if cache < usage_bytes else usage_bytes
    return usage_bytes


def usage_sample(
    before: UsageReading, now: UsageReading, *, time_ns: int, target: str, limit_cores: float | None
) -> ResourceSample:
    """The use between two readings: CPU over the time between them, everything else as in `now`.

    Throttled periods and network bytes count from the container's start.
    """
    elapsed_ns = now.time_ns - before.time_ns
    used_ns = now.cpu_ns - before.cpu_ns
    return ResourceSample(
        time_ns=time_ns,
        target=target,
        cell=None,
        repeat=None,
        cpu_percent=100 * used_ns / elapsed_ns if elapsed_ns > 0 and used_ns > 0 else 0.0,
        memory_bytes=now.memory_bytes,
        cpu_limit_cores=limit_cores,
        memory_limit_bytes=now.memory_limit_bytes,
        anon_bytes=now.anon_bytes,
        file_bytes=now.file_bytes,
        shmem_bytes=now.shmem_bytes,
        throttled_periods=now.throttled_periods,
        throttled_ns=now.throttled_ns,
        network_rx_bytes=now.network_rx_bytes,
        network_tx_bytes=now.network_tx_bytes,
        pids=now.pids,
    )


def _stamp_ns(text: str) -> int:
    """``2026-11-22T18:33:03.705285847Z`` as nanoseconds since the epoch, without loss."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
