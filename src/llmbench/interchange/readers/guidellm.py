"""Reads the JSON report of GuideLLM (its ``kind=json`` output, layout 2)."""

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
    "GuideLLM: time_per_token is its inter_token_latency_ms, and its percentiles are of tokens, "
    "not of requests; its time_per_output_token_ms counts the first token and is not compared"
)
LAYOUT = 2


class GuideStatistics(Struct, frozen=True):
    """The distribution of a quantity; all of its figures are 0 where its count is."""

    count: int
    mean: float
    percentiles: dict[str, float]


class GuideOutcomes(Struct, frozen=True):
    """A quantity by how its requests ended; only the successful ones are read."""

    successful: GuideStatistics


class GuideTotals(Struct, frozen=True):
    """The numbers of requests; incomplete ones were cut off by the end of the load."""

    successful: int
    errored: int


class GuideMetrics(Struct, frozen=True):
    """What was measured; latency is in seconds, as its name has no unit."""

    request_totals: GuideTotals
    request_latency: GuideOutcomes
    time_to_first_token_ms: GuideOutcomes
    inter_token_latency_ms: GuideOutcomes
    output_tokens_per_second: GuideOutcomes
    prompt_token_count: GuideOutcomes
    output_token_count: GuideOutcomes


class GuideStrategy(Struct, frozen=True):
    """How requests came: so many streams at once, or so many a second."""

    type_: str
    streams: int | None = None
    rate: float | None = None


class GuideConfig(Struct, frozen=True):
    """The part of a benchmark's configuration that is read."""

    strategy: GuideStrategy


class GuideBenchmark(Struct, frozen=True):
    """One load."""

    config: GuideConfig
    metrics: GuideMetrics
    duration: float


class GuideMetadata(Struct, frozen=True):
    """Who wrote the report."""

    version: int
    guidellm_version: str


class GuideReport(Struct, frozen=True):
    """The whole file; `config` is as the tool was configured."""

    metadata: GuideMetadata
    config: dict[str, Any]
    benchmarks: list[GuideBenchmark]


def is_guidellm(document: Any) -> bool:
    """Whether its metadata names the tool."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return isinstance(metadata, dict) and "guidellm_version" in metadata


def read_guidellm(document: Any) -> ToolFile:
    """The loads of a report, one for each strategy that was run."""
    layout = document["metadata"].get("version")
    if layout != LAYOUT:
        raise UnfitField("metadata.version", f"layout {layout}; this version reads {LAYOUT}")
    report = msgspec.convert(document, GuideReport)
    return ToolFile(
        report.metadata.guidellm_version,
        tuple(_measurement(report.config, benchmark) for benchmark in report.benchmarks),
    )


def _measurement(config: dict[str, Any], benchmark: GuideBenchmark) -> ToolMeasurement:
    strategy, metrics = benchmark.config.strategy, benchmark.metrics
    totals = metrics.request_totals
    rate = load_text(strategy.rate) if strategy.rate else strategy.type_
    suffix = f"users{strategy.streams}" if strategy.streams else f"rate{rate}"
    load = _load(config) | {"strategy": strategy.type_, "load": suffix}
    return ToolMeasurement(
        cell_id=f"{load['backend.model']}-{suffix}",
        load=load,
        asked=totals.successful + totals.errored,
        succeeded=totals.successful,
        ttft=_times("time_to_first_token_ms", metrics.time_to_first_token_ms),
        time_per_token=_times("inter_token_latency_ms", metrics.inter_token_latency_ms),
        latency=_times("request_latency", metrics.request_latency, to_ms=1e3),
        output_tokens_per_s=metrics.output_tokens_per_second.successful.mean
        if strategy.streams
        else None,
        input_tokens=metrics.prompt_token_count.successful.mean,
        output_tokens=metrics.output_token_count.successful.mean,
        duration_s=benchmark.duration,
        users=strategy.streams,
    )


def _load(config: dict[str, Any]) -> dict[str, str]:
    """What was asked for, besides the strategy: model, format, data and when a load ends."""
    spec = config.get("spec", {})
    backend = spec.get("backend", {})
    return {
        "backend.model": str(backend.get("model")),
        "backend.request_format": str(backend.get("request_format")),
        "data": msgspec.json.encode(spec.get("data"), order="sorted").decode(),
        "constraints": msgspec.json.encode(spec.get("constraints"), order="sorted").decode(),
    }


def _times(field: str, outcomes: GuideOutcomes, *, to_ms: float = 1.0) -> Times:
    figures = outcomes.successful
    known = {"mean": figures.mean} | figures.percentiles if figures.count else None
    return times(field, known, to_ms=to_ms)
