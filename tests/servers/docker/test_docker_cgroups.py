"""A container's use from its cgroup's files, version 1 and 2."""

import os
from pathlib import Path

import pytest

from llmbench.servers.docker.cgroups import Cgroup, find_cgroup

V2 = {
    "cpu.stat": "usage_usec 5250000\nuser_usec 1\nnr_periods 9\nnr_throttled 4\n"
    "throttled_usec 1500\n",
    "memory.current": "1000\n",
    "memory.max": "max\n",
    "memory.peak": "1500\n",
    "memory.stat": "anon 600\nfile 350\nshmem 50\ninactive_file 100\n",
    "pids.current": "3\n",
}
V1 = {
    "cpuacct/cpuacct.usage": "5250000000\n",
    "cpu/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 1500000\n",
    "memory/memory.usage_in_bytes": "1000\n",
    "memory/memory.max_usage_in_bytes": "1500\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.stat": "inactive_file 1\ntotal_rss 600\ntotal_cache 350\ntotal_shmem 50\n"
    "total_inactive_file 100\n",
    "pids/pids.current": "3\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")


@pytest.fixture
def v1(tmp_path: Path) -> Cgroup:
    write(tmp_path, V1)
    cpuacct, cpu, memory, pids = (tmp_path / n for n in ("cpuacct", "cpu", "memory", "pids"))
    return Cgroup(1, cpuacct, cpu, memory, pids, os.getpid())


@pytest.fixture
def v2(tmp_path: Path) -> Cgroup:
    write(tmp_path, V2)
    return Cgroup(2, tmp_path, tmp_path, tmp_path, tmp_path, os.getpid())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_both_versions_read_the_same(version: str, request: pytest.FixtureRequest) -> None:
    reading = request.getfixturevalue(version).read()
    assert (reading.cpu_ns, reading.memory_bytes, reading.usage_bytes) == (5_250_000_000, 900, 1000)
    assert (reading.peak_bytes, reading.memory_limit_bytes) == (1500, None)
    assert (reading.anon_bytes, reading.file_bytes, reading.shmem_bytes) == (600, 350, 50)
    assert (reading.throttled_periods, reading.throttled_ns, reading.pids) == (4, 1_500_000, 3)


def test_a_limit_is_read(v2: Cgroup, tmp_path: Path) -> None:
    write(tmp_path, {"memory.max": "536870912\n"})
    reading = v2.read()
    assert reading is not None
    assert reading.memory_limit_bytes == 512 << 20


def test_kernels_before_5_19_know_no_peak_on_v2(v2: Cgroup, tmp_path: Path) -> None:
    (tmp_path / "memory.peak").unlink()
    reading = v2.read()
    assert reading is not None
    assert reading.peak_bytes is None


def test_a_cgroup_that_is_gone_reads_as_none(v2: Cgroup, tmp_path: Path) -> None:
    (tmp_path / "memory.current").unlink()
    assert v2.read() is None


@pytest.mark.parametrize(
    ("lines", "files", "version"),
    [
        pytest.param("0::/docker/ID\n", V2, 2, id="v2"),
        pytest.param("0::/system.slice/docker-ID.scope\n", V2, 2, id="v2 under systemd"),
        pytest.param(
            "4:memory:/docker/ID\n3:cpu,cpuacct:/docker/ID\n2:pids:/docker/ID\n0::/docker/ID\n",
            V1,
            1,
            id="v1, and v2 beside it without controllers",
        ),
    ],
)
def test_the_version_in_use_is_found(
    lines: str, files: dict[str, str], version: int, tmp_path: Path
) -> None:
    process = tmp_path / "proc" / "7"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(lines.replace("ID", "c0ffee"), encoding="ascii")
    inside = lines.splitlines()[0].rpartition(":")[2].replace("ID", "c0ffee").lstrip("/")
    for name, text in files.items():
        folder, _, file = name.rpartition("/")
        write(tmp_path / "cgroup" / folder / inside, {file: text})
    found = find_cgroup(7, "c0ffee", tmp_path / "cgroup", tmp_path / "proc")
    assert found is not None
    assert found.version == version
    reading = found.read()
    assert reading is not None
    assert (reading.cpu_ns, reading.memory_bytes) == (5_250_000_000, 900)


def test_a_process_of_no_container_has_none() -> None:
    assert find_cgroup(os.getpid(), "0" * 64) is None


def test_a_process_that_is_not_here_has_none() -> None:
    assert find_cgroup(2**22 + 1, "0" * 64) is None


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_cpu_time_alone_is_that_of_the_reading(
    version: str, request: pytest.FixtureRequest
) -> None:
    cgroup: Cgroup = request.getfixturevalue(version)
    assert cgroup.cpu_ns() == 5_250_000_000


def test_a_container_that_is_gone_has_no_cpu_time(v2: Cgroup) -> None:
    (v2.cpu / "cpu.stat").unlink()
    assert v2.cpu_ns() is None
