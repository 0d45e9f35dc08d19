"""The ``command`` kind: runs any command that serves a model, on given cores of this host."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmbench.cells import Limits
from llmbench.config import CommandServer, ConfigError, ModelConfig, instances_of
from llmbench.servers.gpus.held import held_gpus
from llmbench.servers.gpus.nvml import Gpu, gpus_here
from llmbench.servers.gpus.picking import VISIBLE, visible_gpus
from llmbench.servers.local.command_main import CommandSettings
from llmbench.servers.local.local_server import running_local
from llmbench.servers.placeholders import fill
from llmbench.servers.placement.demand import demand_of
from llmbench.servers.placement.placing import Placement, too_few
from llmbench.servers.running import RunningServer


def command_unavailable(server: CommandServer, limits: Limits) -> str | None:
    """Why this host can't run the command under `limits`; None when it can."""
    wanted = limits.cores or server.cores
    if limits.memory_bytes is not None:
        return "a process can't be limited in memory; use a docker configuration"
    if wanted is not None and wanted != int(wanted):
        return f"a process can't have {wanted:g} cores, only whole ones; use docker for fractions"
    lacking = too_few(demand_of(server, limits))
    if lacking is not None:
        return lacking
    if shutil.which(at_home(server.command[0])) is None:
        return f"needs the command {server.command[0]}, which is not on the PATH"
    missing = [name for name in server.environment if name not in os.environ]
    if missing:
        return f"needs the environment variable {missing[0]}, which is not set"
    return None


@contextmanager
def launch_command(
    config: ModelConfig,
    server: CommandServer,
    limits: Limits,
    *,
    log_dir: Path,
    cores: Placement,
    slots: int | None = None,
) -> Iterator[RunningServer]:
    """Run the configuration's command; the context opens once it has answered a completion.

    At the end the command is ended with all that it started. `ConfigError` names a placeholder
    that doesn't exist.
    """
    check_command(server, config.name, limits)
    port = server.port or free_port()
    count = max(server.slots, slots or 0)
    values = {
        "threads": str(server.threads or len(cores.server) or 1),
        "port": str(port),
        "slots": str(count),
        "context": str(server.context_tokens * count),
        "cores": ",".join(map(str, cores.server)),
    }
    settings = CommandSettings(
        command=tuple(at_home(fill(word, values, "server.command")) for word in server.command),
        settings={k: fill(v, values, "server.settings") for k, v in server.settings.items()},
        port=port,
        cores=cores.server,
    )
    with (
        _gpus(config.name, server) as gpus,
        running_local(
            config,
            "llmbench.servers.local.command_main",
            settings,
            log_file=log_dir / f"{config.name}{limits.suffix}.log",
            cores=cores,
            timeout_s=server.start_timeout_s,
            health=server.health,
            supervised=True,
            gpus=gpus,
        ) as running,
    ):
        yield running


@contextmanager
def _gpus(name: str, server: CommandServer) -> Iterator[tuple[Gpu, ...]]:
    """The GPUs that the command can see; they are held where it is told which (`environment`)."""
    visible = visible_gpus(gpus_here(), os.environ.get(VISIBLE))
    if VISIBLE in server.environment and visible:
        with held_gpus(name, tuple(gpu.id for gpu in visible), print):
            yield visible
    else:
        yield visible


def at_home(word: str) -> str:
    """`word` with the home folder for a leading ``~``, which no shell does for the command."""
    return str(Path(word).expanduser()) if word.startswith("~") else word


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now.

    The command binds it a moment later, since a program that opens its own port can't be handed
    one that is open.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def check_command(server: CommandServer, where: str, limits: Limits) -> None:
    """Raise `ConfigError` where nothing tells the command its port, or all instances the same."""
    count = instances_of(server, limits)
    if server.port is not None and count > 1:
        raise ConfigError(
            f"{where}: server.port is the same for all {count} instances: let {{port}} be filled in"
        )
    if server.port is None and not any("{port}" in word for word in _words(server)):
        raise ConfigError(
            f"{where}: server.command has no {{port}}: put it where the command takes its port, "
            "or give the fixed one as server.port"
        )


def _words(server: CommandServer) -> tuple[str, ...]:
    return (*server.command, *server.settings.values())
