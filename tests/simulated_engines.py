"""Simulators that pass for real engines, each in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.processes import running_python


@contextmanager
def simulated_engine(name: str, *options: str) -> Iterator[str]:
    """The URL of a simulator that passes for the engine `name`."""
    arguments = ("simulate", "--engine", name, "--ttft-ms", "2", "--ms-per-token", "0.5", *options)
    with running_python("-m", "llmbench.cli", *arguments) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[3]
