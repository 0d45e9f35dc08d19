"""What run.json says of the host."""

import importlib.metadata
import os

from llmbench.bench import host


def test_a_host_is_described_by_what_moves_numbers() -> None:
    described = host.describe_host()
    assert described["cores"] == len(os.sched_getaffinity(0))
    assert described["memory_bytes"] > 2**28
    assert described["kernel"] == os.uname().release
    assert described["cpu"]


def test_versions_are_of_what_is_installed() -> None:
    versions = host.package_versions()
    assert versions["msgspec"] == importlib.metadata.version("msgspec")
    assert "pytest-llmbench" in versions
