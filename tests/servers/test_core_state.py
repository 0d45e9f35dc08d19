"""Stolen time and frequency of the server's cores, as the kernel tells them."""

from pathlib import Path

import pytest

from llmbench.servers.core_state import mhz, steal_ns

STAT = """cpu  9 9 9 9 9 9 9 900 0 0
cpu0 1 1 1 1 1 1 1 100 0 0
cpu1 1 1 1 1 1 1 1 300 0 0
cpu10 1 1 1 1 1 1 1 500 0 0
intr 5
"""
CPUINFO = """processor : 0
cpu MHz\t\t: 2000.5
processor : 1
cpu MHz\t\t: 3000.5
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "stat").write_text(STAT)
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    return tmp_path


@pytest.mark.parametrize(
    ("cores", "stolen_ns"), [((0,), 10**9), ((0, 1), 2 * 10**9), ((), None), ((7,), None)]
)
def test_stolen_time_is_the_mean_of_the_servers_cores(
    host: Path, cores: tuple[int, ...], stolen_ns: int | None
) -> None:
    assert steal_ns(cores, proc=host) == stolen_ns


def test_a_host_without_the_file_tells_no_stolen_time(tmp_path: Path) -> None:
    assert steal_ns((0,), proc=tmp_path) is None


def test_the_frequency_is_that_of_the_moment_where_the_kernel_tells_it(host: Path) -> None:
    for core, khz in ((0, 1_200_000), (1, 2_400_000)):
        file = host / f"cpu{core}" / "cpufreq" / "scaling_cur_freq"
        file.parent.mkdir(parents=True)
        file.write_text(f"{khz}\n")
    assert mhz((0, 1), system=host, proc=host) == 1800.0


def test_else_it_is_that_of_cpuinfo(host: Path, tmp_path: Path) -> None:
    assert mhz((0, 1), system=tmp_path / "none", proc=host) == 2500.5
    assert mhz((7,), system=tmp_path / "none", proc=host) is None
