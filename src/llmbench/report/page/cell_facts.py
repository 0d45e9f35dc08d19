"""The single figures of a cell, with their names in words and how each is shown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmbench.report.numbers import known, milliseconds, number, percent, plural, size
from llmbench.results import CellResult

if TYPE_CHECKING:
    import pandas as pd

Facts = Mapping[str, tuple[str, Callable[[Any], str]]]
"""For a column, its name in words and how to show its value."""

CPU: Facts = {
    "cpu_per_token_ms": ("server's CPU for each output token", milliseconds),
    "cpu_per_prompt_token_ms": ("server's CPU for each prompt token", milliseconds),
    "bandwidth_use": ("memory bandwidth used by decoding (MBU)", percent),
    "cpu_energy_per_token_j": (
        "energy of processors and memory for each output token, without idle",
        lambda v: f"{number(v)} J",
    ),
    "cpu_energy_j": ("the same in the window", lambda v: f"{number(v)} J"),
    "cpu_power_w_mean": ("power of processors and memory, mean", lambda v: f"{number(v)} W"),
    "idle_power_w": ("of which idle, before the launch", lambda v: f"{number(v)} W"),
    "steal_share": ("stolen from the server's cores", percent),
    "cpu_mhz": ("frequency of the server's cores", lambda v: f"{number(v)} MHz"),
}
"""What the server computed, and what the host did to its cores."""

GPUS: Facts = {
    "gpu_percent_mean": ("GPUs busy, mean", lambda v: f"{number(v)} %"),
    "gpu_memory_bytes_max": ("memory of the GPUs", size),
    "gpu_power_w_mean": ("power of the GPUs, mean", lambda v: f"{number(v)} W"),
    "gpu_energy_j": ("energy of the GPUs in the window", lambda v: f"{number(v)} J"),
    "gpu_energy_per_token_j": ("energy for each output token", lambda v: f"{number(v)} J"),
    "gpu_temperature_c_max": ("hottest GPU", lambda v: f"{number(v)} °C"),
    "gpu_sm_mhz_mean": ("frequency of the GPUs", lambda v: f"{number(v)} MHz"),
    "gpu_slowed_share": ("GPUs slowed by power or heat", percent),
}
"""What the server's GPUs did; a server without any has none of these."""

OWN_PART: Facts = {
    "ttft_uncertainty_ms": ("TTFT uncertain by at most (p99)", milliseconds),
    "bounded_share": ("token events with a bounded stamp", percent),
    "delivered_share": ("asked load that was delivered", percent),
    "little_residual": ("off Little's law", percent),
    "client_cpu_us_per_token": ("client's CPU for each token", lambda v: f"{number(v)} µs"),
    "server_ttft_ms_p50": ("TTFT by the server, median", milliseconds),
    "server_ttft_mean_ms": ("TTFT by the server, mean with warm-up", milliseconds),
    "ttft_difference_ms": ("TTFT, client's minus server's view", milliseconds),
    "server_time_per_token_ms_p50": ("time per token by the server, median", milliseconds),
    "server_time_per_token_mean_ms": ("time per token by the server, mean", milliseconds),
    "time_per_token_difference_ms": ("time per token, client's minus server's", milliseconds),
    "server_latency_mean_ms": ("latency by the server, mean with warm-up", milliseconds),
    "latency_difference_ms": ("latency, client's minus server's view", milliseconds),
    "server_running_mean": ("requests running, by the server, mean", number),
    "server_waiting_mean": ("requests waiting, by the server, mean", number),
    "server_kv_usage_mean": ("KV cache in use, mean", percent),
    "server_kv_usage_max": ("KV cache in use, at most", percent),
    "server_cache_hits": ("prompt tokens from the prefix cache, warm-up included", number),
    "server_preemptions": ("preemptions, warm-up included", number),
    "accepted_length": ("tokens of a speculative step", number),
    "draft_acceptance": ("drafts accepted", percent),
}
"""The client's own part in the numbers, and the server's view."""


def replicas(results: Sequence[CellResult]) -> Iterator[tuple[str, str]]:
    """What each instance of the server carried in the last repeat; the cell is their sum."""
    for k, replica in enumerate(results[-1].summary.replicas if results else (), 1):
        yield (
            f"instance {k}",
            f"{replica.url}: {plural(replica.requests, 'request')}, {replica.failed} failed, "
            f"{number(replica.requests_per_s)} requests/s, "
            f"{number(replica.output_tokens_per_s)} output tokens/s, median TTFT "
            f"{milliseconds(replica.ttft_p50_ms)}, median time per token "
            f"{milliseconds(replica.time_per_token_p50_ms)}",
        )


def facts(row: "pd.Series[Any]", wanted: Facts) -> Iterator[tuple[str, str]]:
    """The figures that are known, in words."""
    for name, (label, shown) in wanted.items():
        if known(row[name]):
            yield label, shown(row[name])
