"""Model configurations: turns a TOML file into a frozen `ModelConfig`, or into one clear error.

Every error names the file, the key and, for a misspelt key, the nearest valid one.
docs/models.md documents the keys; a test compares that page with these classes.
"""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from llmbench.cells import Limits
from llmbench.prices import UnknownPrice, with_machine
from llmbench.records import ClientSettings
from llmbench.value_types import (
    ArrivalsText,
    Count,
    Counts,
    EngineSteps,
    ModelSize,
    Names,
    NotNegative,
    NumaNode,
    Percentiles,
    Port,
    Positive,
    PrefixCacheSize,
    Preset,
    Price,
    RequestFields,
    Share,
    explain,
)


class ConfigError(ValueError):
    """A configuration or option can't be used; the message says what, where, and what to do."""


class ProcessServer(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="process"
):
    """An engine that is started here as a process of its own, on given cores."""

    engine: Literal["llama.cpp"]
    weights: str  # a path, or package:NAME/FILE for a file inside an installed package
    cores: Positive = 1.0
    instances: Count = 1  # of the same server, which share the load
    numa_node: NumaNode | None = None  # None: as few nodes as can be
    smt: bool = True  # False: one thread of each physical core
    threads: Count | None = None  # None: one for each core
    context_tokens: Count = 4096  # for each slot
    slots: Count = 4
    start_timeout_s: Positive = 60.0


class DockerServer(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="docker"):
    """An engine in a container limited to cores and memory.

    `command` may hold ``{threads}``, ``{port}``, ``{slots}``, ``{gpus}`` and ``{context}``
    (`context_tokens` for each slot, times the slots), which are filled at launch.
    """

    image: str
    command: tuple[str, ...]
    port: Port
    health: str = "/health"
    entrypoint: str | None = None
    volumes: dict[str, str] = {}  # host folder or volume name -> path in the container
    environment: tuple[str, ...] = ()  # names, taken from this environment where set
    settings: dict[str, str] = {}  # NAME = "value", nothing secret; placeholders as in command
    gated: bool = False  # weights that need a token: one of `environment` must be set
    build: str | None = None  # folder of a Dockerfile that makes `image` where it is missing
    build_args: dict[str, str] = {}
    cores: Positive | None = None  # whole: a cpuset; fractional: a quota
    instances: Count = 1  # of the same server, which share the load
    numa_node: NumaNode | None = None  # None: as few nodes as can be
    smt: bool = True  # False: one thread of each physical core
    memory: str | None = None  # "512m", "64g"; swap is off
    shm: str | None = None
    gpus: Annotated[int, Meta(ge=0)] | Names = 0  # how many, or numbers and UUIDs
    devices: tuple[str, ...] = ()  # "/dev/kfd"
    runtime: str | None = None  # "habana"
    ipc: str | None = None  # "host"
    ulimits: dict[str, int] = {}  # -1: unlimited
    group_add: tuple[str, ...] = ()
    slots: Count = 4
    context_tokens: Count = 4096  # for each slot
    cap_add: tuple[str, ...] = ()
    start_timeout_s: Positive = 600.0

    @property
    def gpu_count(self) -> int:
        """The number of GPUs that it asks for."""
        return self.gpus if isinstance(self.gpus, int) else len(self.gpus)


class CommandServer(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="command"
):
    """Any command that serves a model on this host, such as `vllm serve …` or `ollama serve`.

    `command` and `settings` may hold ``{threads}``, ``{port}``, ``{slots}``, ``{cores}`` (their
    numbers) and ``{context}`` (`context_tokens` for each slot, times the slots).
    """

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    port: Port | None = None  # None: a free one, filled in for {port}
    health: str | None = None  # None: what the dialect's servers have
    environment: tuple[str, ...] = ()  # names that must be set; all of ours are passed on
    settings: dict[str, str] = {}  # NAME = "value", nothing secret; placeholders as in command
    cores: Positive | None = None  # whole ones, pinned; None: all but the client's
    instances: Count = 1  # of the same server, which share the load
    numa_node: NumaNode | None = None  # None: as few nodes as can be
    smt: bool = True  # False: one thread of each physical core
    threads: Count | None = None  # None: one for each core
    slots: Count = 4
    context_tokens: Count = 4096  # for each slot
    start_timeout_s: Positive = 600.0


class RemoteServer(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="remote"):
    """A server that somebody else runs."""

    url: str
    replicas: tuple[str, ...] = ()  # further URLs, which share the load with the first
    start_timeout_s: Positive = 30.0


class SimulatedServer(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="simulated"
):
    """The simulated server, whose true figures are known; its numbers are stamped SIMULATED.

    A request waits for one of `slots`, then for `ttft_ms` plus its prompt at
    `prefill_tokens_per_s` (None: no further wait), then a token every `ms_per_token`.
    `jitter` is the relative standard deviation of each gap, drawn from the seed. With
    `draft_tokens`, each token may bring up to so many more, each with `draft_acceptance`.
    ``/metrics`` is in the words of `metrics_as`, with a KV cache of `kv_tokens` (None: none told).
    """

    ttft_ms: Positive = 50.0
    ms_per_token: Positive = 20.0
    prefill_tokens_per_s: Positive | None = None
    slots: Count = 1024
    jitter: Share = 0.0
    launch_spread: Share = 0.0  # relative standard deviation of all times, from launch to launch
    batching: Literal["spread", "beat"] = "spread"  # beat: all streams' tokens leave together
    max_batch_slowdown: NotNegative = 0.0  # relative gap growth, all slots busy
    draft_tokens: Annotated[int, Meta(ge=0)] = 0  # by speculative decoding, in each step
    draft_acceptance: Share = 0.7  # the probability that a draft holds, if those before it did
    tells_times: bool = False  # whether each answer tells its times, in its engine's words
    steps: EngineSteps | None = None  # instead of `ttft_ms` to `max_batch_slowdown`
    prefix_cache: PrefixCacheSize | None = None
    checks_history: bool = False  # refuses conversations with answers that are not its own
    fault: str | None = None
    metrics_as: Literal["vllm", "sglang", "llama.cpp", "tgi", "lmdeploy", "triton"] = "vllm"
    kv_tokens: Count | None = None
    instances: Count = 1  # of the same server, which share the load
    start_timeout_s: Positive = 30.0


Server = ProcessServer | DockerServer | CommandServer | RemoteServer | SimulatedServer


class Grid(Struct, frozen=True, forbid_unknown_fields=True):
    """What to measure: the same keys in a TOML file, on the command line and in the ini file.

    A key is taken from the command line, the TOML file, the ini file or the defaults, in this
    order (`llmbench.bench.grid`); ``None`` means that this one doesn't set it.
    `pairs` of (input, output) lengths replace the product of the two lists of lengths.
    """

    input_tokens: Counts | None = None
    output_tokens: Counts | None = None
    pairs: tuple[tuple[Count, Count], ...] | None = None
    users: Counts | None = None
    rates: tuple[Positive, ...] | None = None  # requests/s
    arrivals: ArrivalsText | None = None  # gamma:S has gaps of shape S; gamma:1 is Poisson
    traffic: Names | None = None  # of fixtures/traffic, or TOML files
    cores: tuple[Positive, ...] | None = None
    memory: tuple[str, ...] | None = None
    requests: Count | None = None  # measured, for each user
    duration_s: Positive | None = None
    spawn_rate: Positive | None = None  # users/s
    repeats: Count | str | None = None  # 5, or "3..12": stop when the verdict is known
    launches: Count | None = None  # of the server, over which the repeats are spread


class Slo(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits that a cell must meet. `preset` takes MLPerf's, by name; other keys override it."""

    preset: Preset | None = None
    ttft_ms: Percentiles = {}
    time_per_token_ms: Percentiles = {}
    latency_ms: Percentiles = {}
    error_rate: Share | None = None
    goodput: Share | None = None  # least share of requests that meet the per-request limits


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
