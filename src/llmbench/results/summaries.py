"""The numbers of one repeat of a cell, as `llmbench.metrics` makes them from its records.

Formulas are in docs/metrics.md, one for each field.
"""

from typing import Literal

from msgspec import Struct

from llmbench.cells import Cell
from llmbench.traffic import TurnSummary


class Distribution(Struct, frozen=True):
    """The distribution of `n` samples of one quantity, in the unit that its field names.

    `p95_low` and `p95_high` are the ends of the 95 % confidence interval of `p95` (order
    statistics with exact binomial ranks); None where there are too few samples for that bound.
    """

    n: int
    mean: float
    stdev: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    p50_low: float | None = None
    p50_high: float | None = None
    p90_low: float | None = None
    p90_high: float | None = None
    p95_low: float | None = None
    p95_high: float | None = None
    p99_low: float | None = None
    p99_high: float | None = None


class LimitCount(Struct, frozen=True):
    """How the requests of a cell compare with one percentile limit of its SLO.

    Requests that failed or were dropped count as infinitely slow, so they are among `samples`,
    `over` and `lost`. `value_ms` is the percentile of all `samples`; it is None where it is
    infinite, or not known as no request has the quantity (`samples` = `lost`).
    """

    metric: str  # as in "TTFT"
    percentile: str  # as in "p99"
    limit_ms: float
    samples: int
    over: int
    lost: int
    value_ms: float | None


class ErrorWords(Struct, frozen=True):
    """What went wrong in the words of the server or the wire, and in how many requests."""

    words: str
    count: int


class ReplicaSummary(Struct, frozen=True):
    """The part of a cell that one instance of the server carried."""

    url: str
    requests: int  # measured
    failed: int
    requests_per_s: float | None
    output_tokens_per_s: float | None
    ttft_p50_ms: float | None
    time_per_token_p50_ms: float | None


class ClassSummary(Struct, frozen=True):
    """The part of a cell that one class of a mix had, with figures as `CellSummary` has them.

    `limit_counts` and `goodput` are by the class's own SLO, else by the model's.
    """

    name: str
    share: float | None  # of all that the cell asked
    requests: int  # measured, with those dropped
    succeeded: int
    failed: int
    dropped: int
    error_rate: float
    in_window: int
    ttft_ms: Distribution | None
    time_per_token_ms: Distribution | None
    latency_ms: Distribution | None
    scheduled_ttft_ms: Distribution | None
    input_tokens: Distribution | None
    output_tokens: Distribution | None
    requests_per_s: float | None
    output_tokens_per_s: float | None
    output_length_hit_rate: float | None
    goodput: float | None
    limit_counts: tuple[LimitCount, ...] = ()
    resent: int = 0
    hung_up: int = 0  # by the client; in no other count


class CellSummary(Struct, frozen=True):
    """The numbers of one repeat of a cell in its steady window; ``None`` means not known."""

    cell: Cell
    cell_id: str
    repeat: int
    simulated: bool
    # counts
    requests: int  # measured, with those dropped
    succeeded: int
    failed: int
    dropped: int
    warmup: int
    errors: dict[str, int]  # kind -> count
    error_rate: float
    # the steady window
    window_start_ns: int | None
    window_end_ns: int | None
    window_s: float
    window_rule: Literal["steady", "whole"]  # whole: too few requests to cut start and drain off
    in_window: int  # successful requests that the distributions describe
    # for each request
    ttft_ms: Distribution | None
    ttft_uncertainty_ms: float | None  # p99 of (latest - earliest) of the first token's stamp
    answer_ttft_ms: Distribution | None  # after reasoning
    time_per_token_ms: Distribution | None
    inter_token_ms: Distribution | None  # all gaps pooled
    latency_ms: Distribution | None
    scheduled_latency_ms: Distribution | None  # from the scheduled start (open loop)
    scheduled_ttft_ms: Distribution | None
    throughput_tokens_per_s: Distribution | None  # of a request, as the EchoSwift deck defines it
    output_tokens: Distribution | None
    input_tokens: Distribution | None
    # for the whole cell
    requests_per_s: float | None
    input_tokens_per_s: float | None
    output_tokens_per_s: float | None
    total_tokens_per_s: float | None
    achieved_users: float | None  # time average of requests in flight
    goodput: float | None  # share of all measured requests that met the SLO's limits
    # whether token counts are as asked
    output_length_hit_rate: float | None
    input_length_hit_rate: float | None  # within 10 tokens of the asked length
    token_count_mismatches: int  # server's prompt count against the tokenizer's, beyond specials
    cached_share: float | None  # of prompt tokens, by the server
    # the client's own part
    client_lag_ms: Distribution | None
    schedule_delay_ms: Distribution | None
    bounded_share: float | None  # of token events
    ttft_bounded_share: float | None  # of requests: first token uncertain by over 5 % of its TTFT
    little_residual: float | None  # |L - lambda W| / L
    delivered_share: float | None  # achieved over asked users or rate
    client_cpu_us_per_token: float | None
    reader_clock_share: float | None  # of requests stamped in user space
    clock_step_ms: float
    # the server's view, and the client's minus it
    server_ttft_ms: Distribution | None
    server_time_per_token_ms: Distribution | None
    ttft_difference_ms: float | None  # of medians, or of means if only histograms are known
    time_per_token_difference_ms: float | None
    server_ttft_mean_ms: float | None = None  # by its histograms, warm-up included
    server_time_per_token_mean_ms: float | None = None
    server_latency_mean_ms: float | None = None
    latency_difference_ms: float | None = None
    # where the time went, as the server reports it: means, so that the parts add up
    server_queue_mean_ms: float | None = None
    server_prefill_mean_ms: float | None = None
    server_decode_mean_ms: float | None = None
    ttft_unaccounted_mean_ms: float | None = None
    unaccounted_mean_ms: float | None = None
    # what lies between the server's clock and the client
    outside_server_ms: Distribution | None = None  # latency - the server's own whole time
    connect_ms: float | None = None  # the median of new connections, warm-up included
    clock_overrun_share: float | None = None  # of requests: the server tells more than they took
    clock_overrun_told_ms: float | None = None  # the medians of those
    clock_overrun_seen_ms: float | None = None
    # speculative decoding, where it is told
    accepted_length: float | None = None  # tokens of a step: those accepted and one more
    draft_acceptance: float | None = None  # share of the drafted tokens
    # resources while it ran
    cpu_percent_mean: float | None = None
    cpu_percent_max: float | None = None
    memory_bytes_max: int | None = None
    throttled_share: float | None = None  # of the window's time
    steal_share: float | None = None  # of the window's time, of the server's cores
    cpu_mhz: float | None = None  # of the server's cores
    gpu_percent_mean: float | None = None  # of the server's GPUs
    gpu_memory_bytes_max: int | None = None  # of all of them together
    gpu_power_w_mean: float | None = None  # of all of them together
    gpu_temperature_c_max: float | None = None
    gpu_sm_mhz_mean: float | None = None
    gpu_slowed_share: float | None = None  # of the samples, by power, heat or their hardware
    gpu_energy_j: float | None = None  # of all of them, in the window
    gpu_energy_per_token_j: float | None = None  # the same / output tokens
    bandwidth_use: float | None = None  # of the memory's bandwidth, by decoding (MBU)
    cpu_energy_j: float | None = None  # of processors and memory, in the window, idle subtracted
    cpu_energy_per_token_j: float | None = None  # the same / output tokens
    cpu_power_w_mean: float | None = None  # of both in the window, idle included
    idle_power_w: float | None = None  # of both, right before the launch
    cpu_per_token_ms: float | None = None  # CPU time of the server / output tokens
    cpu_per_prompt_token_ms: float | None = None
    computes_on_cpu: bool = False  # so that the CPU time of a token is gated
    # the limits of the SLO that are percentiles, with failures and drops as infinitely slow
    limit_counts: tuple[LimitCount, ...] = ()
    # events of several tokens
    chunk_gap_ms: Distribution | None = None  # between events with tokens, all pooled
    estimated_tokens_share: float | None = None  # of requests that gave only their events' sum
    # what a server tells otherwise than it should
    counted_events_share: float | None = None  # of requests without a count of output tokens
    unknown_finishes: dict[str, int] = {}  # finish reason -> successes
    common_errors: tuple[ErrorWords, ...] = ()  # the most frequent first
    pauses: int = 0  # of users whom the server had refused, or did not let in
    paused_s: float = 0.0  # what they add up to
    short_prompts_share: float | None = None  # the server processed clearly less than was sent
    sent_prompt_tokens: int | None = None  # the median of those requests
    processed_prompt_tokens: int | None = None
    # of what was lost on the way
    resent: int = 0  # times that a closing connection lost a measured request unread
    cancelled: int = 0  # in flight when a trial ended before its time; in no other count
    # of an open loop's queue
    overloaded: bool = False  # the server could not sustain the rate that was asked
    in_flight_growth_per_s: float | None = None  # rate asked - rate served
    least_in_flight_growth_per_s: float | None = None  # its lower bound (99.5 %)
    filling_s: float | None = None  # from the first deadline to the window's start
    # what the server's own gauges told: means over the window, and growth during the whole cell
    server_running_mean: float | None = None  # requests
    server_waiting_mean: float | None = None
    server_kv_usage_mean: float | None = None  # share of the KV cache
    server_kv_usage_max: float | None = None
    server_cache_queries: int | None = None  # prompt tokens looked up in the prefix cache
    server_cache_hits: int | None = None
    server_preemptions: int | None = None
    server_drafts: int | None = None  # verified by speculative decoding
    server_draft_tokens: int | None = None
    server_accepted_tokens: int | None = None
    server_readings: int = 0  # of its gauges
    server_readings_failed: int = 0
    # of several instances that share the load; empty where there is one
    replicas: tuple[ReplicaSummary, ...] = ()
    launch: int = 0  # of its server, counted from 0 in the session
    # of traffic
    possible_cached_share: float | None = None  # of prompt tokens, that an earlier request had
    turns: tuple[TurnSummary, ...] = ()  # of conversations
    classes: tuple[ClassSummary, ...] = ()  # of a mix
    # of requests on which the client hung up on purpose
    hung_up: int = 0  # they are in no other count
    let_go: bool | None = None  # whether the server did; None: not known
    let_go_by: Literal["gauge", "rate"] | None = None  # what shows it
    orphan_readings: int = 0  # of its gauge, in which requests that it kept would show
    orphans_seen: float | None = None  # mean of these: requests beyond those in flight
    orphans_expected: float | None = None  # the same, if it had let go of none
    slower_beside_orphans: float | None = None  # times of what was sent meanwhile / of the rest
    conforming_share: float | None = None  # of answers that came whole, to the cell's schema
    images_per_s: float | None = None  # where requests have images
    inputs_per_s: float | None = None  # where each input has a result, and no tokens come out
