"""What a container uses, by our reading and by Docker's own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

from llmbench.config import ModelConfig
from llmbench.records import GpuSample
from llmbench.servers.docker.profile import PeakMemory, Profile
from llmbench.servers.docker.usage import UsageReading, reading_of_stats, usage_sample
from llmbench.servers.gpus.nvml import Gpu
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


READER = """
from http.server import BaseHTTPRequestHandler, HTTPServer

held = bytearray(64 << 20)
held[::4096] = b"x" * (64 << 8)
with open("/weights", "wb") as file:
    for _ in range(200):
        file.write(bytes(1 << 20))

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b'{"status": "ok"}')

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(b'data: {"content": "x", "stop": true}\\n\\n')

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
"""Holds 64 MiB, has a file of 200 MiB in the cache, and answers one token."""


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

    theirs = (GpuSample(2, percent=90.0, memory_bytes=7),)
    asked: list[object] = []

    def samples(gpus: object) -> tuple[GpuSample, ...]:
        asked.append(gpus)
        return theirs

    monkeypatch.setattr(module, "gpu_samples", samples)
    sample = Profile(busy, "busy", limit_cores=None, gpus=(Gpu(2),)).sample()
    assert sample is not None
    assert asked == [(Gpu(2),)]
    assert (sample.gpu_percent, sample.gpu_memory_bytes, sample.gpus) == (90.0, 7, theirs)


def test_the_peak_is_own_memory_and_the_cache_of_files_stands_beside_it() -> None:
    def reading(anon: int, shmem: int, file: int) -> UsageReading:
        return UsageReading(0, 0, 0, 0, anon_bytes=anon, shmem_bytes=shmem, file_bytes=file)

    readings = [reading(10, 5, 905), reading(70, 20, 520), None, reading(30, 5, 105)]
    looked = threading.Event()

    def read() -> UsageReading | None:
        if len(readings) == 1:
            looked.set()
            return readings[0]
        return readings.pop(0)

    with PeakMemory(read, period_s=0.001) as peak:
        assert looked.wait(10)
    assert (peak.own_bytes, peak.cache_bytes) == (90, 900)


def test_a_peak_that_no_source_tells_is_not_known() -> None:
    with PeakMemory(lambda: UsageReading(0, 0, 7, 9)) as peak:
        pass
    assert (peak.own_bytes, peak.cache_bytes) == (None, None)


def test_files_that_a_container_reads_are_not_its_peak(
    launch: Launch, python_server: Callable[..., ModelConfig]
) -> None:
    config = python_server(READER)
    with launch(config, 1, 512 << 20) as server:
        got = server.endpoint.launch
    assert got.peak_memory_bytes is not None
    assert got.file_cache_bytes is not None
    assert 64 << 20 < got.peak_memory_bytes < 96 << 20, "64 MiB of its own, and Python"
    assert got.file_cache_bytes > 200 << 20, "a file of 200 MiB was read"


def test_a_sample_is_the_difference_of_two_readings() -> None:
    before = UsageReading(time_ns=0, cpu_ns=0, memory_bytes=1, usage_bytes=1)
    now = UsageReading(time_ns=2_000_000_000, cpu_ns=1_000_000_000, memory_bytes=5, usage_bytes=9)
    sample = usage_sample(before, now, time_ns=3, target="m", limit_cores=1.0)
    assert (sample.cpu_percent, sample.memory_bytes) == (50.0, 5)
