"""What the simulator's process is started with."""

from msgspec import Struct

from llmbench.config import SimulatedServer


class SimulatorSettings(Struct, frozen=True):
    """The truth to tell (`config`), its seed, and where to serve it. Port 0: any free one."""

    config: SimulatedServer = SimulatedServer()
    seed: int = 0
    model: str = "simulated"
    host: str = "127.0.0.1"
    port: int = 0
    cores: tuple[int, ...] = ()
