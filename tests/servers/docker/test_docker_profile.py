"""What a container uses, by our reading and by Docker's own."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

from llmbench.servers.docker.profile import Profile
from llmbench.servers.docker.usage import UsageReading, reading_of_stats, usage_sample
from llmbench.servers.running import RunningServer

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

Launch = Callable[..., AbstractContextManager[RunningServer]]

BUSY = """
import threading
held = bytearray(50 << 20)
held[::4096] = b"x" * (50 << 8)
while True:
    sum(range(1000))
"""
"""Keeps a core busy and 50 MiB of memory in use."""


@pytest.fixture
def busy(docker_engine: "DockerClient", server_image: str) -> Iterator["Container"]:
    """A container under half a core and 256 MiB that would use a whole one."""
    container = docker_engine.containers.run(
        server_image,
        ["-c", BUSY],
        entrypoint="/server/bin/python",
        detach=True,
        nano_cpus=500_000_000,
        mem_limit=256 << 20,
        memswap_limit=256 << 20,
    )
    try:
        container.reload()
        yield container
    finally:
        container.remove(force=True)


def stats_of(container: "Container") -> Any:
    return container.stats(stream=False)


def test_it_counts_as_docker_stats_does(busy: "Container") -> None:
    profile = Profile(busy, "busy", limit_cores=0.5)
    while stats_of(busy)["memory_stats"]["stats"].get("total_rss", 0) < 50 << 20:
        pass  # it still fills its memory
    before = profile.read()
    theirs = stats_of(busy)  # the engine takes a second, and looks at its start and end
    ours = profile.sample()
    after = profile.read()
    assert ours is not None
    assert before is not None
    assert after is not None
    # the engine's counter lies between ours of before and after: the same one, in the same unit
    assert before.cpu_ns <= theirs["cpu_stats"]["cpu_usage"]["total_usage"] <= after.cpu_ns
    assert 0 < ours.cpu_percent < 60  # it may have half a core
    reading = reading_of_stats(theirs)
    assert reading is not None
    assert ours.memory_bytes == pytest.approx(reading.memory_bytes, abs=1 << 20)
    assert ours.anon_bytes == pytest.approx(reading.anon_bytes, abs=1 << 20)
    assert ours.memory_limit_bytes == reading.memory_limit_bytes == 256 << 20
    assert ours.pids == reading.pids
    assert ours.network_rx_bytes == reading.network_rx_bytes
    assert ours.throttled_periods is not None
    assert reading.throttled_periods is not None
    assert 0 <= ours.throttled_periods - reading.throttled_periods <= 20


def test_without_the_cgroup_s_files_the_engine_is_asked(busy: "Container") -> None:
    profile = Profile(busy, "busy", limit_cores=0.5)
    profile._cgroup = None
    assert profile.source == "docker stats"
    profile.sample()
    sample = profile.sample()
    assert sample is not None
    assert 0 < sample.cpu_percent < 60


def test_use_is_told_apart_to_the_moment(busy: "Container") -> None:
    """Two samples 0.2 s apart do not wait for the engine's next second."""
    profile = Profile(busy, "busy", limit_cores=0.5)
    if profile.source == "docker stats":
        pytest.skip("this engine's cgroups can't be seen from here")
    started = time.monotonic()
    for _ in range(100):
        profile.sample()
    assert time.monotonic() - started < 1.0


def test_an_ended_container_has_no_sample(busy: "Container") -> None:
    profile = Profile(busy, "busy", limit_cores=None)
    assert profile.sample() is not None
    busy.kill()
    busy.wait()
    assert profile.sample() is None


def test_gpus_add_to_the_sample(busy: "Container", monkeypatch: pytest.MonkeyPatch) -> None:
    from llmbench.servers.docker import profile as module
    from llmbench.servers.docker.gpus import GpuUse

    monkeypatch.setattr(module, "gpu_use", lambda gpus: GpuUse(90.0, 7) if len(gpus) == 2 else None)
    sample = Profile(busy, "busy", limit_cores=None, gpus=2).sample()
    assert sample is not None
    assert (sample.gpu_percent, sample.gpu_memory_bytes) == (90.0, 7)


def test_a_sample_is_the_difference_of_two_readings() -> None:
    before = UsageReading(time_ns=0, cpu_ns=0, memory_bytes=1, usage_bytes=1)
    now = UsageReading(time_ns=2_000_000_000, cpu_ns=1_000_000_000, memory_bytes=5, usage_bytes=9)
    sample = usage_sample(before, now, time_ns=3, target="m", limit_cores=1.0)
    assert (sample.cpu_percent, sample.memory_bytes) == (50.0, 5)
