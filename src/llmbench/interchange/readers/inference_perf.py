"""Reads the reports of inference-perf, ``summary_`` and ``stage_N_lifecycle_metrics.json``.

They name neither a version nor the model; all their times are in seconds (as of 0.7).
"""

from typing import Any

import msgspec
from msgspec import Struct

from llmbench.interchange.measurements import Times, ToolFile, ToolMeasurement, load_text, times

DEFINITION = (
    "inference-perf: time_per_token is its time_per_output_token, from the first token to the "
    "last, over the tokens that its own tokenizer counts unless use_server_output_tokens is set; "
    "its normalized_time_per_output_token counts the first token and is not compared"
)

Figures = dict[str, float]


class PerfLatency(Struct, frozen=True):
    """Times in seconds."""

    request_latency: Figures | None = None
    time_to_first_token: Figures | None = None
    time_per_output_token: Figures | None = None


class PerfThroughput(Struct, frozen=True):
    """Rates over the whole load."""

    output_tokens_per_sec: float


class PerfSuccesses(Struct, frozen=True):
    """What is told of the requests that succeeded."""

    count: int
    latency: PerfLatency
    throughput: PerfThroughput
    prompt_tokens: Figures | None = None
    output_len: Figures | None = None


class PerfFailures(Struct, frozen=True):
    """The number of the others."""

    count: int


class PerfLoad(Struct, frozen=True):
    """What was asked for; only the report of a stage tells the last two."""

    count: int
    requested_rate: float | None = None
    concurrency: int | None = None


class PerfReport(Struct, frozen=True):
    """One report."""

    benchmark_time_seconds: float
    load_summary: PerfLoad
    successes: PerfSuccesses
    failures: PerfFailures


def is_inference_perf(document: Any) -> bool:
    """Whether it has the parts that every such report has."""
    return isinstance(document, dict) and {
        "load_summary",
        "successes",
        "failures",
    } <= {*document}


def read_inference_perf(document: Any) -> ToolFile:
    """The one load of a report."""
    report = msgspec.convert(document, PerfReport)
    asked, successes = report.load_summary, report.successes
    users = asked.concurrency
    load = {"load_summary.count": str(asked.count)}
    suffix = f"requests{asked.count}"
    if users is not None:
        load["load_summary.concurrency"], suffix = str(users), f"users{users}"
    elif asked.requested_rate is not None:
        rate = load_text(asked.requested_rate)
        load["load_summary.requested_rate"], suffix = rate, f"rate{rate}"
    latency = successes.latency
    is_open = users is None and asked.requested_rate is not None
    measurement = ToolMeasurement(
        cell_id=f"inference-perf-{suffix}",
        load=load,
        asked=successes.count + report.failures.count,
        succeeded=successes.count,
        ttft=_times("time_to_first_token", latency.time_to_first_token),
        time_per_token=_times("time_per_output_token", latency.time_per_output_token),
        latency=_times("request_latency", latency.request_latency),
        output_tokens_per_s=None if is_open else successes.throughput.output_tokens_per_sec,
        input_tokens=(successes.prompt_tokens or {}).get("mean"),
        output_tokens=(successes.output_len or {}).get("mean"),
        duration_s=report.benchmark_time_seconds,
        users=users,
    )
    return ToolFile(None, (measurement,))


def _times(name: str, figures: Figures | None) -> Times:
    known = figures and figures | {"p50": figures.get("median")}
    return times(f"successes.latency.{name}", known, to_ms=1e3)
