"""Model configurations: turns a TOML file into a frozen `ModelConfig`, or into one clear error.

Every error names the file, the key and, for a misspelt key, the nearest valid one.
docs/models.md documents the keys; a test compares that page with these classes.
"""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.cells import Limits
from llmbench.config.server_configs import DockerServer, RemoteServer, Server, SimulatedServer
from llmbench.prices import UnknownPrice, with_machine
from llmbench.records import ClientSettings
from llmbench.traffic import Cache
from llmbench.value_types import (
    ArrivalsText,
    Count,
    Counts,
    ModelSize,
    Names,
    Positive,
    Price,
    RequestFields,
    explain,
)
from llmbench.value_types import Slo as Slo  # noqa: PLC0414 (traffic has some too)


class ConfigError(ValueError):
    """A configuration or option can't be used; the message says what, where, and what to do."""


class Grid(Struct, frozen=True, forbid_unknown_fields=True):
    """What to measure: the same keys in a TOML file, on the command line and in the ini file.

    A key is taken from the command line, the TOML file, the ini file or the defaults, in this
    order (`llmbench.bench.grid`); ``None`` means that this one doesn't set it.
    `pairs` of (input, output) lengths replace the product of the two lists of lengths.
    """

    input_tokens: Counts | None = None
    output_tokens: Counts | None = None
    pairs: tuple[tuple[Count, Count], ...] | None = None
    schema: Names | None = None  # JSON files that answers shall conform to, and none
    images: Names | None = None  # of each request, as in 2@512x512, and none
    inputs: Counts | None = None  # texts of one request for embeddings, documents of a rerank
    users: Counts | None = None
    rates: tuple[Positive, ...] | None = None  # requests/s
    arrivals: ArrivalsText | None = None  # gamma:S has gaps of shape S; gamma:1 is Poisson
    traffic: Names | None = None  # of fixtures/traffic, or TOML files
    prefix_cache: tuple[Cache, ...] | None = None  # of the server, off and on
    cores: tuple[Positive, ...] | None = None
    memory: tuple[str, ...] | None = None
    instances: Counts | None = None  # of the server, each with so many cores and so much memory
    requests: Count | None = None  # measured, for each user
    duration_s: Positive | None = None
    spawn_rate: Positive | None = None  # users/s
    repeats: Count | str | None = None  # 5, or "3..12": stop when the verdict is known
    launches: Count | None = None  # of the server, over which the repeats are spread


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A file under fixtures/models/: what to launch, what to measure and which limits to meet."""

    name: str  # the file's stem
    title: str
    model: str  # what requests name
    api: str
    tokenizer: str  # hub id, folder, or package:NAME/FILE.gguf for a GGUF's own vocabulary
    server: Server
    revision: str | None = None
    grid: Grid = Grid()
    slo: Slo = Slo()
    price: Price | None = None
    size: ModelSize | None = None
    client: ClientSettings = ClientSettings()
    request: RequestFields = RequestFields()

    @property
    def simulated(self) -> bool:
        """Whether the server is simulated, so that its numbers are not those of a real one."""
        return isinstance(self.server, SimulatedServer)


def load_model(path: Path) -> ModelConfig:
    """The configuration in the TOML file at `path`; `ConfigError` names file, key and remedy."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return _convert(raw | {"name": path.stem}, path)


def load_models(folder: Path) -> tuple[ModelConfig, ...]:
    """All configurations of a folder, by name."""
    return tuple(load_model(path) for path in sorted(folder.glob("*.toml")))


def parse_bytes(text: str, where: str) -> int:
    """``512m``, ``1.5g``, ``2GiB`` as a number of bytes; `where` names the key in the error."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"{where}: {text!r} is not a size; write it like 512m or 2g")
    factor: int = 1024 ** " kmgt".index(match[2] or " ")
    return round(float(match[1]) * factor)


def limits_of(server: Server) -> Limits:
    """The limits that a server's own table asks for."""
    if not isinstance(server, DockerServer):
        return Limits()
    memory = None if server.memory is None else parse_bytes(server.memory, "server.memory")
    return Limits(server.cores, memory)


def instances_of(server: Server, limits: Limits) -> int:
    """How many of the same server share a cell's load under its `limits`."""
    if isinstance(server, RemoteServer):
        return 1 + len(server.replicas)
    return limits.instances or server.instances


def parse_repeats(value: int | str, where: str) -> tuple[int, int]:
    """The fewest and the most repeats of ``5`` or ``"3..12"``; `where` names the key."""
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", str(value))
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high:
        raise ConfigError(f"{where}: {value!r} is not a number of repeats; write 5, or 3..12")
    return low, high


def _check_values(model: ModelConfig) -> None:
    """Raise `ConfigError` for a text of `model` that isn't the size, date or count it should be."""
    grid, server = model.grid, model.server
    for number, size in enumerate(grid.memory or ()):
        parse_bytes(size, f"key 'grid.memory[{number}]'")
    for name in ("memory", "shm"):
        if written := getattr(server, name, None):
            parse_bytes(written, f"key 'server.{name}'")
    if grid.repeats is not None:
        parse_repeats(grid.repeats, "key 'grid.repeats'")
    if model.size is not None:
        parse_bytes(model.size.weights, "key 'size.weights'")
    if model.price is not None:
        try:
            date.fromisoformat(model.price.date)
        except ValueError:
            raise ConfigError(
                f"key 'price.date': {model.price.date!r} is not a date; write it like 2026-11-25"
            ) from None


def _convert(raw: dict[str, Any], path: Path) -> ModelConfig:
    """`raw` as a `ModelConfig`, with msgspec's errors in the words of a TOML file."""
    try:
        model = msgspec.convert(with_machine(raw), ModelConfig)
        _check_values(model)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, ModelConfig, raw)}") from error
    except (ConfigError, UnknownPrice) as error:
        raise ConfigError(f"{path}: {error}") from None
    return model
