"""The settings that the simulator's process is started with."""

from msgspec import Struct

from llmbench.config import SimulatedServer


class SimulatorSettings(Struct, frozen=True):
    """The true figures (`config`), the seed and where to serve; port 0 means any free port."""

    config: SimulatedServer = SimulatedServer()
    seed: int = 0
    model: str = "simulated"
    host: str = "127.0.0.1"
    port: int = 0
    cores: tuple[int, ...] = ()
    engine: str | None = None  # passes for that one (`LIKENESSES`), with its pages and paths
