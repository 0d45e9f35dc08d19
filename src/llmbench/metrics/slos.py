"""Service level objectives: MLPerf's limits by name, and how requests compare with a limit."""

from collections.abc import Iterator
from math import ceil, floor

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llmbench.cells import Shape
from llmbench.config import ConfigError, Slo
from llmbench.metrics import windows
from llmbench.metrics.windows import Window
from llmbench.results import LimitCount
from llmbench.value_types import Percentiles, Preset, nearest


def _mlperf(ttft_ms: float, time_per_token_ms: float) -> Slo:
    return Slo(ttft_ms={"p99": ttft_ms}, time_per_token_ms={"p99": time_per_token_ms})


PRESETS: dict[Preset, Slo] = {
    "mlperf-llama2-70b": _mlperf(2000, 200),
    "mlperf-llama2-70b-interactive": _mlperf(450, 40),
    "mlperf-llama3.1-405b": _mlperf(6000, 175),
    "mlperf-llama3.1-405b-interactive": _mlperf(4500, 80),
    "mlperf-llama3.1-8b": _mlperf(2000, 100),
    "mlperf-llama3.1-8b-interactive": _mlperf(500, 30),
    "mlperf-mixtral-8x7b": _mlperf(2000, 200),
    "mlperf-deepseek-r1": _mlperf(2000, 80),
    "mlperf-deepseek-r1-interactive": _mlperf(1500, 15),
    "mlperf-gpt-oss-120b": _mlperf(3000, 80),
    "mlperf-gpt-oss-120b-interactive": _mlperf(2000, 20),
}
"""The limits of MLPerf Inference's server and interactive scenarios: p99, in milliseconds.

Source: mlcommons/inference_policies, inference_rules.adoc (2026-07-23).
"""


def resolve(slo: Slo) -> Slo:
    """`slo` with its preset's limits filled in; its own keys win, table by table.

    Raises `ConfigError` with the nearest name for a preset that doesn't exist.
    """
    if slo.preset is None:
        return slo
    if slo.preset not in PRESETS:
        raise ConfigError(
            f"slo.preset: unknown preset {slo.preset!r}{nearest(slo.preset, [*PRESETS])}"
        )
    preset = PRESETS[slo.preset]
    return Slo(
        preset=slo.preset,
        ttft_ms=slo.ttft_ms or preset.ttft_ms,
        time_per_token_ms=slo.time_per_token_ms or preset.time_per_token_ms,
        latency_ms=slo.latency_ms or preset.latency_ms,
        error_rate=slo.error_rate,
        goodput=slo.goodput,
    )


def request_limit(percentiles: Percentiles) -> float | None:
    """The limit that one request has to meet: that of the highest percentile given, if any."""
    for name in ("p99", "p95", "p90", "p50"):
        if name in percentiles:
            return percentiles[name]
    return None


def goodput(measured: pd.DataFrame, requests: int, slo: Slo, shape: Shape) -> float | None:
    """The share of all measured requests (with failed and dropped ones) that met every limit.

    A request's limits are those of the highest percentile that the SLO names; in an open loop its
    times count from the schedule. None where the SLO limits no request, or nothing ran.
    """
    prefix = "scheduled_" if shape.is_open_loop else ""
    limits = {
        f"{prefix}ttft_ms": request_limit(slo.ttft_ms),
        "time_per_token_ms": request_limit(slo.time_per_token_ms),
        f"{prefix}latency_ms": request_limit(slo.latency_ms),
    }
    if requests == 0 or all(limit is None for limit in limits.values()):
        return None
    met = measured["ok"].copy()
    for column, limit in limits.items():
        if limit is not None:
            within = measured[column] <= limit
            if column == "time_per_token_ms":
                within |= measured[column].isna() & (measured["output_tokens"].fillna(0) <= 1)
            met &= within
    return float(met.sum()) / requests


def limit_counts(
    measured: pd.DataFrame, unrecorded: int, window: Window | None, slo: Slo, shape: Shape
) -> tuple[LimitCount, ...]:
    """How the window's requests compare with each percentile of a resolved `slo`.

    A request that failed or was dropped counts as infinitely slow: a server that answers 95 of 100
    requests fast and none of the others has no p99. `unrecorded` is the number of drops without a
    row. A request of one token has no time per token and does not count for it. In an open loop
    times count from the schedule.
    """
    inside = windows.asked(measured, window, shape)
    lost = int((~measured["ok"][inside]).sum()) + unrecorded
    return tuple(
        _count(metric, name, limit, measured[column][inside].dropna().to_numpy(np.float64), lost)
        for metric, column, percentiles in _tables(slo, shape)
        for name, limit in sorted(percentiles.items())
    )


def _tables(slo: Slo, shape: Shape) -> Iterator[tuple[str, str, Percentiles]]:
    """Each metric with its column in the table and its limits."""
    prefix = "scheduled_" if shape.is_open_loop else ""
    yield "TTFT", f"{prefix}ttft_ms", slo.ttft_ms
    yield "time per token", "time_per_token_ms", slo.time_per_token_ms
    yield "latency", f"{prefix}latency_ms", slo.latency_ms


def _count(
    metric: str, percentile: str, limit: float, values: NDArray[np.float64], lost: int
) -> LimitCount:
    return LimitCount(
        metric=metric,
        percentile=percentile,
        limit_ms=limit,
        samples=values.size + lost,
        over=int((values > limit).sum()) + lost,
        lost=lost,
        value_ms=_percentile(values, lost, float(percentile[1:]) / 100),
    )


def _percentile(values: NDArray[np.float64], lost: int, share: float) -> float | None:
    """The percentile of `values` and `lost` infinite ones, interpolated like numpy's ``linear``."""
    place = (values.size + lost - 1) * share
    low, high = floor(place), ceil(place)
    if values.size == 0 or high >= values.size:
        return None
    ordered = np.sort(values)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
