"""Service level objectives: MLPerf's limits by name, and what a single request has to meet."""

from llmbench.config import ConfigError, Percentiles, Slo, nearest


def _mlperf(ttft_ms: float, time_per_token_ms: float) -> Slo:
    return Slo(ttft_ms={"p99": ttft_ms}, time_per_token_ms={"p99": time_per_token_ms})


PRESETS: dict[str, Slo] = {
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
"""Limits of MLPerf Inference's server and interactive scenarios: p99, milliseconds.

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
            f"slo.preset: unknown preset {slo.preset!r}{nearest(slo.preset, list(PRESETS))}"
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
    """What one request has to meet: the limit of the highest percentile given; None: no limit."""
    for name in ("p99", "p95", "p90", "p50"):
        if name in percentiles:
            return percentiles[name]
    return None
