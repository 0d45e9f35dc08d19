"""The ``process`` kind: runs an embedded engine in a process of its own, on given cores."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from llmbench.apis import generates
from llmbench.cells import Limits
from llmbench.config import ConfigError, ModelConfig, ProcessServer
from llmbench.servers.local.embedded_main import EngineSettings
from llmbench.servers.local.local_server import running_local
from llmbench.servers.local.weights import find_weights
from llmbench.servers.placement.demand import demand_of
from llmbench.servers.placement.placing import Placement, too_few
from llmbench.servers.running import RunningServer


def process_unavailable(server: ProcessServer, limits: Limits) -> str | None:
    """Why this host can't run the engine under `limits`; None when it can."""
    wanted = limits.cores or server.cores
    if limits.memory_bytes is not None:
        return "a process can't be limited in memory; use a docker configuration"
    if wanted != int(wanted):
        return f"a process can't have {wanted:g} cores, only whole ones; use docker for fractions"
    lacking = too_few(demand_of(server, limits))
    if lacking is not None:
        return lacking
    if find_spec("xllamacpp") is None:
        return "needs the embedded engine; run: pip install 'pytest-llmbench[embedded]'"
    try:
        find_weights(server.weights)
    except ConfigError as error:
        return str(error)
    return None


@contextmanager
def launch_process(
    config: ModelConfig,
    server: ProcessServer,
    limits: Limits,
    *,
    log_dir: Path,
    cores: Placement,
    slots: int | None = None,
) -> Iterator[RunningServer]:
    """Run llama.cpp with the configuration's weights and a thread for each server core."""
    weights = find_weights(server.weights)
    settings = EngineSettings(
        model=config.model,
        weights=str(weights),
        threads=server.threads or len(cores.server),
        context_tokens=server.context_tokens,
        slots=max(server.slots, slots or 0),
        cores=cores.server,
        embeds=not generates(config.api),
        pooling="rank" if config.api == "rerank" else server.pooling,
    )
    with running_local(
        config,
        "llmbench.servers.local.embedded_main",
        settings,
        log_file=log_dir / f"{config.name}{limits.suffix}.log",
        cores=cores,
        timeout_s=server.start_timeout_s,
    ) as running:
        yield running
