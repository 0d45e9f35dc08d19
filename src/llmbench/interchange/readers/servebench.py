"""Reads the ``run.json`` of servebench (layout 1), whose times are in seconds."""

from typing import Any

import msgspec
from msgspec import Struct

from llmbench.interchange.measurements import (
    Times,
    ToolFile,
    ToolMeasurement,
    UnfitField,
    load_text,
    times,
)

DEFINITION = (
    "servebench: its tpot is (latency - TTFT) / (output tokens - 1), as here, with the end of the "
    "stream as the end of the latency; its itl, the gaps between events, is not compared"
)
LAYOUT = 1


class ServebenchStats(Struct, frozen=True):
    """The figures of a quantity in seconds; it has no p95."""

    mean: float | None = None
    p50: float | None = None
    p99: float | None = None


class ServebenchSummary(Struct, frozen=True):
    """The figures of a load."""

    completed: int
    failed: int
    duration: float
    output_throughput: float
    ttft: ServebenchStats
    tpot: ServebenchStats
    e2e: ServebenchStats
    output_tokens_mean: float | None = None
    input_throughput: float | None = None


class ServebenchLevel(Struct, frozen=True):
    """One load: `value` users, or `value` requests a second."""

    mode: str
    value: float | str
    summary: ServebenchSummary


class ServebenchConfig(Struct, frozen=True):
    """What was asked for."""

    model: str
    endpoint: str
    prompts: str
    input_len: int
    output_len: int
    num_requests: int | None = None
    duration: float | None = None


class ServebenchEnvironment(Struct, frozen=True):
    """Who wrote the file."""

    servebench_version: str


class ServebenchRun(Struct, frozen=True):
    """The whole file."""

    config: ServebenchConfig
    environment: ServebenchEnvironment
    levels: list[ServebenchLevel]
    schema_version: int = LAYOUT


def is_servebench(document: Any) -> bool:
    """Whether its environment names the tool."""
    environment = document.get("environment") if isinstance(document, dict) else None
    return isinstance(environment, dict) and "servebench_version" in environment


def read_servebench(document: Any) -> ToolFile:
    """The loads of a run, one for each level."""
    layout = document.get("schema_version", LAYOUT)
    if layout != LAYOUT:
        raise UnfitField("schema_version", f"layout {layout}; this version reads {LAYOUT}")
    run = msgspec.convert(document, ServebenchRun)
    return ToolFile(
        run.environment.servebench_version,
        tuple(_measurement(run.config, level) for level in run.levels),
    )


def _measurement(config: ServebenchConfig, level: ServebenchLevel) -> ToolMeasurement:
    summary, value = level.summary, load_text(level.value)
    users = int(level.value) if level.mode == "concurrency" else None
    lengths = f"in{config.input_len}-out{config.output_len}"
    load = {name: load_text(getattr(config, name)) for name in config.__struct_fields__}
    prompt_tokens = summary.input_throughput and summary.input_throughput * summary.duration
    return ToolMeasurement(
        cell_id=f"{config.model}-{lengths}-{'users' if users else 'rate'}{value}",
        load=load | {level.mode: value},
        asked=summary.completed + summary.failed,
        succeeded=summary.completed,
        ttft=_times("ttft", summary.ttft),
        time_per_token=_times("tpot", summary.tpot),
        latency=_times("e2e", summary.e2e),
        output_tokens_per_s=summary.output_throughput if users else None,
        input_tokens=prompt_tokens / summary.completed
        if prompt_tokens and summary.completed
        else None,
        output_tokens=summary.output_tokens_mean,
        duration_s=summary.duration,
        users=users,
    )


def _times(name: str, stats: ServebenchStats) -> Times:
    figures = {key: getattr(stats, key) for key in ("mean", "p50", "p99")}
    return times(f"summary.{name}", figures, to_ms=1e3)
