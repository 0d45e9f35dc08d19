"""Reads AIPerf's ``profile_export_aiperf.json`` (layouts to 1.4) and ``profile_export.jsonl``.

The first has figures and what was asked for; the second has each request and nothing else.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct, field

from llmbench.interchange.measurements import (
    Times,
    ToolFile,
    ToolMeasurement,
    UnfitField,
    load_text,
    times,
)

DEFINITION = (
    "AIPerf: time_per_token is its inter_token_latency, (latency - TTFT) / (output tokens - those "
    "of the first event); its inter_chunk_latency is not compared"
)
LAYOUTS = ("1.0", "1.1", "1.2", "1.3", "1.4")
IN_MS = {"ms": 1.0, "sec": 1e3, "s": 1e3, "us": 1e-3, "ns": 1e-6}


class AiperfFigures(Struct, frozen=True):
    """The figures of a metric, in `unit`."""

    unit: str
    avg: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class AiperfExport(Struct, frozen=True):
    """The fields of the summary that are read."""

    schema_version: str
    aiperf_version: str
    input_config: dict[str, Any]
    request_latency: AiperfFigures | None = None
    time_to_first_token: AiperfFigures | None = None
    inter_token_latency: AiperfFigures | None = None
    output_token_throughput: AiperfFigures | None = None
    output_sequence_length: AiperfFigures | None = None
    input_sequence_length: AiperfFigures | None = None
    request_count: AiperfFigures | None = None
    error_request_count: AiperfFigures | None = None
    benchmark_duration: AiperfFigures | None = None
    is_complete: bool | None = None
    incomplete_reason: str | None = None
    was_cancelled: bool | None = None


class AiperfValue(Struct, frozen=True):
    """A metric of one request."""

    value: Any
    unit: str


class AiperfMoments(Struct, frozen=True):
    """When a request ran, in ns since the Unix epoch."""

    request_start_ns: int
    request_end_ns: int
    benchmark_phase: str


class AiperfRequest(Struct, frozen=True):
    """A line of the file of requests."""

    moments: AiperfMoments = field(name="metadata")
    metrics: dict[str, AiperfValue]
    error: Any = None


def is_aiperf(document: Any) -> bool:
    """Whether it is a summary, or the lines of a file of requests."""
    if isinstance(document, list):
        first = document[0] if document else None
        return isinstance(first, dict) and {"metadata", "metrics"} <= {*first}
    return isinstance(document, dict) and "aiperf_version" in document


def read_aiperf(document: Any) -> ToolFile:
    """The one load of either file."""
    if isinstance(document, list):
        requests = msgspec.convert(document, list[AiperfRequest])
        profiled = [r for r in requests if r.moments.benchmark_phase == "profiling"]
        return ToolFile(None, (_of_requests(profiled),))
    layout = document.get("schema_version")
    if layout not in LAYOUTS:
        raise UnfitField("schema_version", f"layout {layout}; this version reads to {LAYOUTS[-1]}")
    export = msgspec.convert(document, AiperfExport)
    if export.is_complete is False or export.was_cancelled:
        reason = export.incomplete_reason or "it was cancelled"
        raise UnfitField("is_complete", f"the run did not end by itself: {reason}")
    return ToolFile(export.aiperf_version, (_of_export(export),))


def _of_export(export: AiperfExport) -> ToolMeasurement:
    load, users = _load(export.input_config)
    failed = _average(export.error_request_count) or 0
    succeeded = int(_average(export.request_count) or 0)
    suffix = f"users{users}" if users else f"rate{load.get('rate', load['type'])}"
    return ToolMeasurement(
        cell_id=f"{load['model']}-{suffix}",
        load=load,
        asked=succeeded + int(failed),
        succeeded=succeeded,
        ttft=_times("time_to_first_token", export.time_to_first_token),
        time_per_token=_times("inter_token_latency", export.inter_token_latency),
        latency=_times("request_latency", export.request_latency),
        output_tokens_per_s=_average(export.output_token_throughput) if users else None,
        input_tokens=_average(export.input_sequence_length),
        output_tokens=_average(export.output_sequence_length),
        duration_s=_average(export.benchmark_duration),
        users=users,
    )


def _load(config: dict[str, Any]) -> tuple[dict[str, str], int | None]:
    """What was asked for, and the users at once where that is all that limits the load."""
    phases = [p for p in config.get("phases", []) if p.get("kind") == "profiling"]
    models = config.get("models", {}).get("items", [])
    if len(phases) != 1 or not models:
        raise UnfitField("input_config", "it doesn't hold one model and one profiling phase")
    (phase,) = phases
    load = {name: load_text(v) for name, v in phase.items() if name not in ("name", "kind")}
    load["model"] = str(models[0].get("name"))
    load["endpoint"] = str(config.get("endpoint", {}).get("type"))
    prompts = [dataset.get("prompts") for dataset in config.get("datasets", [])]
    load["prompts"] = msgspec.json.encode(prompts, order="sorted").decode()
    users = phase.get("concurrency") if phase.get("type") == "concurrency" else None
    return load, users


def _of_requests(requests: Sequence[AiperfRequest]) -> ToolMeasurement:
    good = [request for request in requests if not request.error]
    if not good:
        raise UnfitField("metrics", "no request of the profiling phase succeeded")
    start = min(request.moments.request_start_ns for request in requests)
    end = max(request.moments.request_end_ns for request in requests)
    outputs = _values(good, "output_sequence_length")
    return ToolMeasurement(
        cell_id=f"aiperf-requests{len(requests)}",
        load={"requests": str(len(requests))},
        asked=len(requests),
        succeeded=len(good),
        ttft=_times_of(good, "time_to_first_token"),
        time_per_token=_times_of(good, "inter_token_latency"),
        latency=_times_of(good, "request_latency"),
        output_tokens_per_s=1e9 * sum(outputs) / (end - start) if outputs else None,
        input_tokens=_mean(_values(good, "input_sequence_length")),
        output_tokens=_mean(outputs),
        duration_s=(end - start) / 1e9,
    )


def _values(requests: Sequence[AiperfRequest], metric: str) -> list[float]:
    """A metric of the requests that have it, times in ms."""
    known = [request.metrics[metric] for request in requests if metric in request.metrics]
    return [float(v.value) * IN_MS.get(v.unit, 1.0) for v in known]


def _times_of(requests: Sequence[AiperfRequest], metric: str) -> Times:
    values = _values(requests, metric)
    if not values:
        return Times(metric)
    p50, p95, p99 = (float(v) for v in np.percentile(values, (50, 95, 99)))
    return times(metric, {"mean": _mean(values), "p50": p50, "p95": p95, "p99": p99})


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _average(figures: AiperfFigures | None) -> float | None:
    return None if figures is None else figures.avg


def _times(metric: str, figures: AiperfFigures | None) -> Times:
    if figures is None:
        return Times(metric)
    if figures.unit not in IN_MS:
        raise UnfitField(f"{metric}.unit", f"{figures.unit!r} is not a unit of time")
    known = {name: getattr(figures, name) for name in ("p50", "p95", "p99")}
    return times(metric, known | {"mean": figures.avg}, to_ms=IN_MS[figures.unit])
