"""The Engine's stats as numbers: an answer recorded on cgroup v1, one in the shape of v2."""

import json
from pathlib import Path
from typing import Any

from llmbench.servers.docker.usage import UsageReading, reading_of_stats, usage_sample, used_memory

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def docker_command_percent(before: dict[str, Any], after: dict[str, Any]) -> float:
    """CPU % as the docker command computes it from two answers (calculateCPUPercentUnix)."""
    used = (
        after["cpu_stats"]["cpu_usage"]["total_usage"]
        - before["cpu_stats"]["cpu_usage"]["total_usage"]
    )
    system = after["cpu_stats"]["system_cpu_usage"] - before["cpu_stats"]["system_cpu_usage"]
    return float(used / system * after["cpu_stats"]["online_cpus"] * 100)


def test_v2_is_read_whole() -> None:
    assert reading_of_stats(recorded("stats-cgroup-v2.json")) == UsageReading(
        time_ns=1_795_341_602_500_000_000,
        cpu_ns=5_250_000_000,
        memory_bytes=71_208_960 - 39_415_808,
        usage_bytes=71_208_960,
        peak_bytes=None,
        memory_limit_bytes=536_870_912,
        anon_bytes=20_594_688,
        file_bytes=48_140_288,
        shmem_bytes=65_536,
        throttled_periods=40,
        throttled_ns=1_500_000_000,
        network_rx_bytes=70_140_000,
        network_tx_bytes=226_156_000,
        pids=27,
    )


def test_v1_is_read_whole() -> None:
    stats = recorded("stats-cgroup-v1.json")["after"]
    memory = stats["memory_stats"]
    reading = reading_of_stats(stats)
    assert reading is not None
    assert reading.memory_bytes == memory["usage"] - memory["stats"]["total_inactive_file"]
    assert reading.peak_bytes == memory["max_usage"]
    assert reading.memory_limit_bytes == 512 << 20
    assert reading.anon_bytes == memory["stats"]["total_rss"]
    assert reading.file_bytes == memory["stats"]["total_cache"]
    assert reading.shmem_bytes is None  # the Engine leaves it out on v1
    assert reading.throttled_periods == stats["cpu_stats"]["throttling_data"]["throttled_periods"]
    assert reading.pids == 1


def test_cpu_use_between_two_readings_is_the_docker_command_s() -> None:
    pair = recorded("stats-cgroup-v1.json")
    before, after = reading_of_stats(pair["before"]), reading_of_stats(pair["after"])
    assert before is not None
    assert after is not None
    sample = usage_sample(before, after, time_ns=7, target="m", limit_cores=0.5)
    # the docker command divides by the host's ticks of 10 ms, we by nanoseconds
    assert abs(sample.cpu_percent - docker_command_percent(pair["before"], pair["after"])) < 1.5
    assert 45 < sample.cpu_percent < 55  # it was busy under a quota of half a core
    assert (sample.time_ns, sample.target, sample.cpu_limit_cores) == (7, "m", 0.5)


def test_an_ended_container_has_no_reading() -> None:
    assert reading_of_stats({"read": "0001-01-01T00:00:00Z", "memory_stats": {}}) is None


def test_cache_larger_than_the_usage_is_not_subtracted() -> None:
    assert used_memory(100, {"inactive_file": 200}) == 100
    assert used_memory(100, {"total_inactive_file": 40, "inactive_file": 10}) == 60
    assert used_memory(100, {}) == 100


def test_two_readings_of_one_moment_divide_by_nothing() -> None:
    reading = UsageReading(time_ns=5, cpu_ns=5, memory_bytes=1, usage_bytes=1)
    sample = usage_sample(reading, reading, time_ns=0, target="m", limit_cores=None)
    assert sample.cpu_percent == 0.0
