"""Server life: launch, wait until it answers, watch, stop. One context manager for all kinds."""

from llmbench.servers.cores import CoreSplit, split_cores
from llmbench.servers.launching import launch, unavailable
from llmbench.servers.life import LaunchError, RunningServer
from llmbench.servers.sampling import Sampler

__all__ = [
    "CoreSplit",
    "LaunchError",
    "RunningServer",
    "Sampler",
    "launch",
    "split_cores",
    "unavailable",
]
