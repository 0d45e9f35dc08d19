"""What is read of a host's cores from sysfs."""

from pathlib import Path

import pytest

from llmbench.servers.placement.sysfs import read_topology, usable_cores, usable_topology
from llmbench.servers.placement.topology import Topology
from tests.servers.placement.hosts import HYBRID, RecordedHost


@pytest.mark.parametrize("host", RecordedHost.all(), ids=lambda host: host.name)
def test_a_tree_is_read_as_it_was_recorded(host: RecordedHost, tmp_path: Path) -> None:
    host.write_sysfs(tmp_path)
    assert read_topology(tmp_path) == host.topology


def test_cores_of_less_capacity_are_slow(tmp_path: Path) -> None:
    HYBRID.write_sysfs(tmp_path)
    (tmp_path / "cpu_atom" / "cpus").unlink()
    for cpu in HYBRID.topology.cpus:  # as Arm's kernels tell
        file = tmp_path / "system" / "cpu" / f"cpu{cpu.number}" / "cpu_capacity"
        file.write_text("446\n" if cpu.slow else "1024\n", encoding="utf-8")
    assert read_topology(tmp_path) == HYBRID.topology


def test_no_tree_is_no_topology(tmp_path: Path) -> None:
    assert read_topology(tmp_path / "none") == Topology(())


def test_this_host_has_the_cores_that_this_process_may_use() -> None:
    assert usable_topology().numbers == usable_cores()
