"""Reads the summary of k6 (``handleSummary``'s data as JSON), of a script that streams.

k6 knows no tokens. The script keeps the trends ``ttft_ms`` and ``time_per_token_ms`` and the
counter ``output_tokens``, as recipes/k6.toml of the judge does. Written by k6's documentation.
"""

from typing import Any

import msgspec
from msgspec import Struct

from llmbench.interchange.measurements import Times, ToolFile, ToolMeasurement, times

DEFINITION = "k6: time_per_token is what the script keeps as the trend time_per_token_ms"
TTFT, TIME_PER_TOKEN, TOKENS = "ttft_ms", "time_per_token_ms", "output_tokens"


class K6Metric(Struct, frozen=True):
    """The figures of a metric: of a trend avg, med, p(95), p(99); of a counter count and rate."""

    values: dict[str, float]


class K6State(Struct, frozen=True):
    """How long the script ran."""

    duration: float = msgspec.field(name="testRunDurationMs")


class K6Summary(Struct, frozen=True):
    """The whole file."""

    metrics: dict[str, K6Metric]
    state: K6State


def is_k6(document: Any) -> bool:
    """Whether it has k6's state beside its metrics."""
    if not isinstance(document, dict) or not isinstance(document.get("state"), dict):
        return False
    return "testRunDurationMs" in document["state"] and "metrics" in document


def read_k6(document: Any) -> ToolFile:
    """The one load of a summary; an iteration of the script is a request."""
    summary = msgspec.convert(document, K6Summary)
    duration_s = summary.state.duration / 1e3
    asked = round(_value(summary, "iterations", "count") or 0)
    failed = round(_value(summary, "failed_requests", "count") or 0)
    tokens = _value(summary, TOKENS, "count")
    measurement = ToolMeasurement(
        cell_id=f"k6-requests{asked}",
        load={"iterations": str(asked)},
        asked=asked,
        succeeded=asked - failed,
        ttft=_times(summary, TTFT),
        time_per_token=_times(summary, TIME_PER_TOKEN),
        latency=_times(summary, "iteration_duration"),
        output_tokens_per_s=tokens / duration_s if tokens and duration_s else None,
        output_tokens=tokens / (asked - failed) if tokens and asked > failed else None,
        duration_s=duration_s,
    )
    return ToolFile(None, (measurement,))


def _value(summary: K6Summary, metric: str, figure: str) -> float | None:
    known = summary.metrics.get(metric)
    return None if known is None else known.values.get(figure)


def _times(summary: K6Summary, metric: str) -> Times:
    names = {"mean": "avg", "p50": "med", "p95": "p(95)", "p99": "p(99)"}
    return times(metric, {part: _value(summary, metric, name) for part, name in names.items()})
