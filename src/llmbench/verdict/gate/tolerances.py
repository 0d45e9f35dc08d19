"""The tolerances: how much worse each metric may get before it counts as a regression."""

import re

from llmbench.config import ConfigError
from llmbench.value_types import nearest

TOLERANCES: dict[str, float] = {
    "ttft": 0.05,
    "time_per_token": 0.03,
    "throughput": 0.03,
    "cpu_per_token": 0.03,
    "ttft_p95": 0.10,
    "ttft_p99": 0.15,
    "time_per_token_p95": 0.05,
    "time_per_token_p99": 0.10,
    "latency": 0.05,
    "latency_p95": 0.10,
    "inputs_per_s": 0.03,
    "cold_healthy": 0.10,
    "cold_first_token": 0.10,
    "cold_peak_memory": 0.05,
    "highest_load": 0.10,
    "failed": 0.005,
    "dropped": 0.005,
    "resent": 0.005,
    "off_length": 0.05,
}
"""For each metric, the change for the worse that is not yet a regression.

It is relative; for `COUNTS` it is a difference in shares of requests.
"""

COUNTS = {
    "failed": "requests failed",
    "dropped": "requests were dropped",
    "resent": "requests were sent again",
    "off_length": "outputs are not of the length asked for",
}
"""The metrics that are shares of requests, pooled over a cell's repeats."""

OTHERS = 0.10
"""The tolerance of a figure without its own; with a wider interval it is only a hint."""

UNITS = {
    "throughput": "tokens/s",
    "inputs_per_s": "inputs/s",
    "highest_load": "",
    "cold_healthy": "s",
    "cold_first_token": "s",
    "cold_peak_memory": "MiB",
}
"""Units of the metrics that are not times in ms."""

RATES = frozenset({"throughput", "inputs_per_s", "highest_load"})
"""The metrics for which more is better."""


def tolerance_of(quantity: str, percentile: str) -> float:
    """How wide the interval of a percentile (such as ``ttft_ms``, ``p95``) may be, relatively."""
    metric = quantity.removesuffix("_ms")
    name = metric if percentile == "p50" else f"{metric}_{percentile}"
    return TOLERANCES.get(name, OTHERS)


def parse_tolerances(text: str | None) -> dict[str, float]:
    """Read ``ttft=10%,time_per_token=5%`` over the defaults; `ConfigError` says what is wrong."""
    tolerances = dict(TOLERANCES)
    for part in (text or "").split(","):
        name, _, share = (piece.strip() for piece in part.partition("="))
        if not name and not share:
            continue
        if name not in TOLERANCES:
            raise ConfigError(
                f"--llm-tolerance: unknown metric {name!r}{nearest(name, [*TOLERANCES])}"
            )
        value = _share(share)
        if value is None:
            raise ConfigError(f"--llm-tolerance: {part.strip()!r}: write it as in {name}=5%")
        tolerances[name] = value
    return tolerances


def parse_allowance(text: str, option: str = "--llm-host-allowance") -> float:
    """Read ``2%`` of an allowance's option; `ConfigError` where it is not a share."""
    value = _share(text.strip())
    if value is None:
        raise ConfigError(f"{option}: {text!r}: write it as in 2%")
    return value


def _share(text: str) -> float | None:
    """``5%`` as 0.05; None for a text that is not a percentage below 100."""
    if not re.fullmatch(r"\d+(\.\d+)?%", text):
        return None
    value = float(text.removesuffix("%")) / 100
    return value if value < 1 else None
