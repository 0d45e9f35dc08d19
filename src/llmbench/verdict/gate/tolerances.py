"""How much worse is no regression, for each metric, and how it is written."""

from llmbench.config import ConfigError, nearest

TOLERANCES: dict[str, float] = {
    "ttft": 0.05,
    "time_per_token": 0.03,
    "throughput": 0.03,
    "ttft_p95": 0.10,
    "ttft_p99": 0.15,
    "time_per_token_p95": 0.05,
    "time_per_token_p99": 0.10,
    "cold_healthy": 0.10,
    "cold_first_token": 0.10,
    "cold_peak_memory": 0.05,
}
"""Relative change for the worse that is no regression, for each metric."""

OTHERS = 0.10
"""Of a figure that has no tolerance of its own: where its interval is wider, it is a hint."""

UNITS = {
    "throughput": "tokens/s",
    "cold_healthy": "s",
    "cold_first_token": "s",
    "cold_peak_memory": "MiB",
}
"""Of the metrics that are no times in ms."""

RATES = frozenset({"throughput"})
"""The metrics of which more is better."""


def tolerance_of(quantity: str, percentile: str) -> float:
    """How wide, relatively, the interval of a percentile may be: as in ``ttft_ms``, ``p95``."""
    metric = quantity.removesuffix("_ms")
    name = metric if percentile == "p50" else f"{metric}_{percentile}"
    return TOLERANCES.get(name, OTHERS)


def parse_tolerances(text: str | None) -> dict[str, float]:
    """``ttft=10%,time_per_token=5%`` over the defaults; `ConfigError` says what is wrong."""
    found = dict(TOLERANCES)
    for part in (text or "").split(","):
        name, _, share = (piece.strip() for piece in part.partition("="))
        if not name and not share:
            continue
        if name not in TOLERANCES:
            raise ConfigError(
                f"--llm-tolerance: unknown metric {name!r}{nearest(name, [*TOLERANCES])}"
            )
        try:
            found[name] = float(share.removesuffix("%")) / 100
        except ValueError:
            found[name] = -1.0
        if not share.endswith("%") or not 0 <= found[name] < 1:
            raise ConfigError(f"--llm-tolerance: {part.strip()!r}: write it as in {name}=5%")
    return found
