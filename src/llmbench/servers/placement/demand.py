"""What a configuration's server asks of its host."""

import math

from msgspec import Struct

from llmbench.cells import Limits
from llmbench.config import RemoteServer, Server, SimulatedServer, instances_of, limits_of


class Demand(Struct, frozen=True):
    """What a server asks for. `cores`: 0 where it runs elsewhere, None where it has no limit."""

    cores: float | None
    numa_node: int | None = None
    smt: bool = True  # whether it may have both threads of a physical core
    instances: int = 1
    memory_bytes: int | None = None  # its limit

    @property
    def count(self) -> int | None:
        """The whole cores of one instance; a fraction takes a whole one."""
        return None if self.cores is None else math.ceil(self.cores)


def demand_of(server: Server, limits: Limits) -> Demand:
    """What `server` asks for under `limits`, and under its own where these leave gaps."""
    instances = instances_of(server, limits)
    if isinstance(server, SimulatedServer):
        return Demand(1.0, instances=instances)
    if isinstance(server, RemoteServer):
        return Demand(0.0, instances=instances)
    return Demand(
        limits.cores or server.cores,
        server.numa_node,
        server.smt,
        instances,
        memory_bytes=limits.memory_bytes or limits_of(server).memory_bytes,
    )
