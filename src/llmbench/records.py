"""The nouns that cross from room to room, as frozen data.

Times are integers in nanoseconds. An instant, whose field ends in ``_ns``, counts from the Unix
epoch: a monotonic reading placed on the wall clock by its process's one anchor (`llmbench.clock`).
A duration's field says that it is one. ``None`` means *not known*, never zero.
"""

from typing import Literal

from msgspec import Struct

from llmbench.cells import Cell
from llmbench.value_types import RequestFields

SCHEMA_VERSION = 1
"""Version of the files of a run; raised when a reader of the older files would be wrong."""

MEASURING_VERSION = 1
"""Version of what the numbers mean; runs that differ in it are not compared."""


class Prompt(Struct, frozen=True):
    """A text to send and its length in the model's tokens, without special tokens."""

    text: str
    tokens: int


Deal = Literal["round robin", "least busy"]
"""How requests are dealt to several instances of a server."""


class ClientSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach a server: all that the timed client needs besides what to send.

    Time-outs are durations in seconds. `api_key_env` names an environment variable; the key
    itself is in no record.
    """

    api_key_env: str = "LLMBENCH_API_KEY"
    headers: dict[str, str] = {}
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    verify_tls: bool = True
    fresh_connections: bool = False
    stream: bool = True
    deal: Deal = "round robin"  # of users to several instances
    connect_timeout_s: float = 10.0
    first_token_timeout_s: float = 120.0
    between_tokens_timeout_s: float = 60.0
    request_timeout_s: float = 600.0


class LeftOut(Struct, frozen=True):
    """A field that requests do without, and what that means for the numbers."""

    name: str
    consequence: str


class Launch(Struct, frozen=True):
    """What was started for a model, and which resources it really got, read from the system."""

    kind: str
    started_ns: int
    healthy_s: float | None = None
    first_token_s: float | None = None
    pid: int | None = None
    container_id: str | None = None
    image: str | None = None
    image_digest: str | None = None
    command: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()
    memory_nodes: tuple[int, ...] = ()  # NUMA, that its memory comes from; empty: any
    cpu_quota_cores: float | None = None
    computes_on: Literal["cpu", "gpu"] | None = None
    memory_limit_bytes: int | None = None
    peak_memory_bytes: int | None = None  # its own: a container's without the cache of files
    log_file: str | None = None
    instructions: tuple[str, ...] | None = None  # that the engine says it uses; None: it doesn't
    unused_instructions: tuple[str, ...] = ()  # that the processor has besides
    server_info: dict[str, str | int | float | bool | None] = {}
    notes: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()  # UUIDs of those that it was given, or their numbers
    file_cache_bytes: int | None = None  # charged to a container beside that, at most
    ssh_tunnel: bool = False  # whether requests go through SSH


class Endpoint(Struct, frozen=True):
    """A server that answered: where it is, which dialect it speaks, and how it was launched."""

    base_url: str
    api: str
    model: str
    simulated: bool
    launch: Launch
    client: ClientSettings = ClientSettings()
    request: RequestFields = RequestFields()  # as they are sent, without those that were refused
    left_out: tuple[LeftOut, ...] = ()  # what the server refused
    closes_connections: bool = False  # after each answer, whatever it says of keeping them alive
    others: "tuple[Endpoint, ...]" = ()  # further instances that share the load, in turn

    @property
    def replicas(self) -> "tuple[Endpoint, ...]":
        """All instances that share the load; most servers have but one."""
        return (self, *self.others)


ErrorKind = Literal[
    "refused",  # no connection
    "connect_timeout",
    "tls",
    "http_4xx",
    "http_5xx",
    "redirect",
    "first_token_timeout",
    "stalled",  # nothing for longer than the time-out between tokens
    "timeout",  # the whole request
    "reset",
    "cut",  # the stream stopped without its end
    "error_event",  # an error inside a 200 stream
    "malformed",  # not HTTP, or events that are not the dialect's
    "empty",  # ended well, without a token
    "invalid_output",  # doesn't conform to the schema that it was constrained to
    "dropped",  # never sent: too many in flight
    "cancelled",  # by the client, when it knew enough: not a failure
    "hung_up",  # by the client, as the traffic asks: not a failure either
    "server_died",
    "worker_died",
]


class RequestRecord(Struct, frozen=True):
    """One request as it happened: its time stamps, its token counts, and how it ended.

    `first_token_ns` and `last_token_ns` are the arrivals of the first and last event that held
    generated tokens (the latest that the kernel's stamps allow; `first_token_earliest_ns` is
    the other bound, equal to it when the stamp is exact). `event_ns` has one offset from
    `sent_ns` for each event with tokens, `event_tokens` how many it held where the server says so
    (empty: one each); `bounded_events` has (index, earliest offset) of those read with a later one.
    """

    cell: str
    repeat: int
    phase: Literal["warmup", "measured"]
    request: int  # 1, 2, … within its user
    user: int
    worker: int
    scheduled_ns: int  # as planned; open-loop latency may count from here
    sent_ns: int | None  # right before the write; None: never sent
    done_ns: int  # the end of the message
    requested_input_tokens: int | None  # None: as many as the conversation or the body has
    requested_output_tokens: int | None  # None: no certain number
    prompt_tokens: int | None  # by the prompt file's tokenizer; None: only the server counts them
    prompt_index: int
    input_tokens: int | None = None  # by the server
    output_tokens: int | None = None  # by the server, see `counted_by`
    cached_tokens: int | None = None
    first_token_ns: int | None = None
    first_token_earliest_ns: int | None = None
    first_answer_ns: int | None = None  # after reasoning; equal to first_token_ns without it
    last_token_ns: int | None = None
    first_event_tokens: int | None = None
    event_ns: tuple[int, ...] = ()
    event_tokens: tuple[int, ...] = ()
    bounded_events: tuple[tuple[int, int], ...] = ()
    events: int = 0
    counted_by: Literal["server", "events"] = "server"  # output_tokens
    finish_reason: str | None = None
    http_status: int | None = None
    error_kind: ErrorKind | None = None
    error: str | None = None
    connect_ns: int | None = None  # duration; None: the connection was already open
    paused_ns: int | None = None  # duration; its user waited as the server had refused it before
    replica: int = 0  # the instance that it was sent to
    resent: int = 0  # times that a closing connection lost it unread, and it was sent again
    client_lag_ns: int | None = None  # duration; longest from kernel stamp to reading
    clock: Literal["kernel", "reader"] = "kernel"
    clock_step_ns: int = 0  # change of the wall clock against the monotonic one meanwhile
    server_queue_ms: float | None = None  # as the server says
    server_prompt_ms: float | None = None
    server_decode_ms: float | None = None
    server_total_ms: float | None = None  # from its receipt to its end
    drafted_tokens: int | None = None  # by speculative decoding, as the server says
    accepted_tokens: int | None = None  # of these
    verify_steps: int | None = None  # in which they were tried
    traffic: str | None = None  # the name of the cell's traffic; None: prompts of one length
    traffic_class: str | None = None  # of the traffic's classes, such as a group with one prefix
    conversation: int | None = None  # 1, 2, … over the whole cell
    turn: int | None = None  # 1, 2, … within its conversation
    prefix_tokens: int | None = None  # first prompt tokens that an earlier request already had
    think_ns: int | None = None  # duration; from the answer before to when this turn was due
    conversation_end: str | None = None  # why no further turn followed this one
    inputs: int | None = None  # texts with a result each; None: its answer is made of tokens
    images: int | None = None  # sent beside the prompt

    @property
    def ok(self) -> bool:
        """Whether it counts as a success."""
        return self.error_kind is None

    @property
    def failed(self) -> bool:
        """Whether it counts as a failure; what the client ended on purpose is neither."""
        return self.error_kind not in (None, "cancelled", "hung_up")


class Sum(Struct, frozen=True):
    """The number of durations that were observed, and their sum."""

    count: int
    total_ms: float


class ServerSums(Struct, frozen=True):
    """What a server's histograms counted while a cell ran, warm-up too; None: none, or reset."""

    ttft: Sum | None = None
    token: Sum | None = None  # between tokens, or events of several
    latency: Sum | None = None


class CellRun(Struct, frozen=True):
    """What is known about one repeat of a cell besides its requests."""

    cell: Cell
    cell_id: str
    repeat: int
    started_ns: int
    ended_ns: int
    endpoint: Endpoint
    seed: int
    prompts_sha256: str
    warmup_per_user: int = 1
    prompts_sent: int = 0  # different ones
    prompts_reused: int = 0  # of these, sent to this server by an earlier cell or repeat
    dropped: int = 0  # arrivals that found max_in_flight others under way
    client_cpu_ns: int = 0  # CPU time of all load generating processes, duration
    client_cores: tuple[int, ...] = ()
    workers: int = 1
    step_ends_ns: tuple[tuple[int, int], ...] = ()  # of a ramp: (users, end of that step)
    launch_error: str | None = None  # the server never answered: there are no requests
    server_died: str | None = None
    cut_short: str | None = None  # why a trial ended before its time: its verdict was known
    clock_error_ns: int = 0  # how far stamps of different machines can be apart, duration
    workers_lost: tuple[str, ...] = ()  # a reason for each worker that died; the cell is INVALID
    notes: tuple[str, ...] = ()
    server_sums: ServerSums | None = None  # by its /metrics, from right before to right after
    server_cpu_ns: tuple[tuple[int, int], ...] = ()  # (instant, CPU time that it had used by then)
    synthetic_prompts: bool = False
    ignores_eos: bool = False  # requests ask the model to go on beyond its end
    launch: int = 0  # how many times the session had launched its server before


class GpuSample(Struct, frozen=True):
    """What one GPU does at one moment; ``None`` is what it doesn't tell."""

    index: int  # as nvidia-smi has it
    uuid: str | None = None
    percent: float | None = None  # of the time since NVML's last sample in which a kernel ran
    memory_bytes: int | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    sm_mhz: float | None = None
    slowed_by: tuple[str, ...] | None = None
    energy_j: float | None = None  # a counter, since its driver was loaded
    mig: str | None = None  # of an instance of a GPU divided by MIG: 1/0, as in `Gpu`


class ResourceSample(Struct, frozen=True):
    """CPU and memory of a server's process tree or container at one moment.

    A container's memory is counted as by ``docker stats``; a process's is its resident set.
    """

    time_ns: int
    target: str  # the model's name
    cell: str | None
    repeat: int | None
    cpu_percent: float  # since the last sample; 100 is one core
    memory_bytes: int
    cpu_limit_cores: float | None = None
    memory_limit_bytes: int | None = None
    anon_bytes: int | None = None
    file_bytes: int | None = None
    shmem_bytes: int | None = None
    throttled_periods: int | None = None
    throttled_ns: int | None = None
    network_rx_bytes: int | None = None
    network_tx_bytes: int | None = None
    pids: int | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None
    gpus: tuple[GpuSample, ...] = ()  # each one; the two above are their mean and sum
    steal_ns: int | None = None  # taken from the server's cores since boot, mean of the cores
    cpu_mhz: float | None = None  # of the server's cores, mean
    package_j: float | None = None  # counted since the launch: of the whole host's processors
    dram_j: float | None = None  # the same of its memory, where that has a counter of its own
    idle_power_w: float | None = None  # of both, right before the launch
