"""Where a model runs: the `[server]` table of its configuration, one class for each kind.

docs/models.md documents the keys; a test compares that page with these classes.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from llmbench.value_types import (
    Count,
    EngineSteps,
    Names,
    NotNegative,
    NumaNode,
    Port,
    Positive,
    PrefixCacheSize,
    Share,
)


class ProcessServer(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="process"
):
    """An engine that is started here as a process of its own, on given cores."""

    engine: Literal["llama.cpp"]
    weights: str  # a path, or package:NAME/FILE for a file inside an installed package
    pooling: Literal["mean", "cls", "last"] | None = None  # of embeddings; None: the model's own
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
    ssh_tunnel: bool = False  # reach it through SSH where its engine is at ssh://

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
    An image is `image_tokens` of its prompt (None: one for each 28 x 28 pixels).
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
    image_tokens: Annotated[int, Meta(ge=0)] | None = None  # of each; 0: it takes none
    checks_history: bool = False  # refuses conversations with answers that are not its own
    fault: str | None = None
    metrics_as: Literal["vllm", "sglang", "llama.cpp", "tgi", "lmdeploy", "triton"] = "vllm"
    kv_tokens: Count | None = None
    instances: Count = 1  # of the same server, which share the load
    start_timeout_s: Positive = 30.0


Server = ProcessServer | DockerServer | CommandServer | RemoteServer | SimulatedServer
