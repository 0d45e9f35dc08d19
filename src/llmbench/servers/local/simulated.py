"""The ``simulated`` kind: runs the deterministic server in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmbench.config import ModelConfig, SimulatedServer
from llmbench.servers.local.local_server import running_local
from llmbench.servers.placement.placing import Placement
from llmbench.servers.running import RunningServer
from llmbench.simulator import FaultPlan, SimulatorSettings


@contextmanager
def launch_simulated(
    config: ModelConfig,
    server: SimulatedServer,
    *,
    log_dir: Path,
    cores: Placement,
    seed: int = 0,
    number: int = 0,
) -> Iterator[RunningServer]:
    """Run the simulator with the configuration's true figures, on the server's cores.

    An unknown fault raises `ConfigError` before anything is started.
    """
    FaultPlan.parse(server.fault, seed)
    settings = SimulatorSettings(
        server, seed=seed, launch=number, model=config.model, cores=cores.server
    )
    with running_local(
        config,
        "llmbench.simulator.simulator_main",
        settings,
        log_file=log_dir / f"{config.name}.log",
        cores=cores,
        timeout_s=server.start_timeout_s,
    ) as running:
        yield running
