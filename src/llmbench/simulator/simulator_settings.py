"""The settings that the simulator's process is started with."""

from math import exp
from random import Random

from msgspec import Struct, structs

from llmbench.config import SimulatedServer


class SimulatorSettings(Struct, frozen=True):
    """The true figures (`config`), the seed and where to serve; port 0 means any free port.

    `launch` counts the launches of one session.
    """

    config: SimulatedServer = SimulatedServer()
    seed: int = 0
    model: str = "simulated"
    host: str = "127.0.0.1"
    port: int = 0
    cores: tuple[int, ...] = ()
    engine: str | None = None  # passes for that one (`LIKENESSES`), with its pages and paths
    launch: int = 0

    @property
    def of_launch(self) -> SimulatedServer:
        """The true figures of this launch, all of whose times are longer or shorter alike."""
        config, spread = self.config, self.config.launch_spread
        if not spread:
            return config
        factor = exp(Random(f"{self.seed}/launch/{self.launch}").gauss(0.0, spread))
        prefill = config.prefill_tokens_per_s
        return structs.replace(
            config,
            ttft_ms=config.ttft_ms * factor,
            ms_per_token=config.ms_per_token * factor,
            prefill_tokens_per_s=None if prefill is None else prefill / factor,
        )
