"""Replays recorded samples through pytest-benchmark, so that its table and files show them.

pytest-benchmark times rounds with a timer that it calls at the start and the end of each. This
timer returns recorded durations instead, and the rounds do nothing.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmbench.metrics import RequestsDigest

METRICS = ("ttft", "time_per_token", "latency", "seconds_per_output_token")
"""The metrics of each cell that are replayed: all are in seconds, and smaller is better."""

MAX_ROUNDS = 1000
"""The most samples of one entry, which keep pytest-benchmark's JSON small.

More samples are thinned evenly over their order statistics.
"""

_COLUMNS = {"ttft": "ttft_ms", "time_per_token": "time_per_token_ms", "latency": "latency_ms"}


class ReplayClock:
    """A timer for pytest-benchmark whose rounds last as long as the recorded samples."""

    __module__, __name__ = "llmbench", "replay"  # pytest-benchmark prints a timer's name

    def __init__(self) -> None:
        self._readings: list[float] = []

    def load(self, seconds: Iterable[float]) -> None:
        """Let the next rounds last `seconds` each, exactly."""
        self._readings = [reading for s in seconds for reading in (0.0, float(s))]

    def __call__(self) -> float:
        return self._readings.pop(0)


def samples_s(
    metric: str, repeats: "Sequence[RequestsDigest]", output_tokens_per_s: list[float]
) -> list[float]:
    """The recorded seconds of `metric`, for each successful request or for each repeat.

    `repeats` and `output_tokens_per_s` are of a cell's repeats; the inverse of a rate is
    ``seconds_per_output_token``.
    """
    if metric == "seconds_per_output_token":
        return [1 / rate for rate in output_tokens_per_s if rate > 0]
    from llmbench.metrics import pooled

    parts = [repeat.measured[_COLUMNS[metric]] for repeat in repeats]
    if sum(part.n for part in parts) <= MAX_ROUNDS:
        return [value / 1e3 for part in parts for value in part.kept]
    return [float(value) / 1e3 for value in pooled(parts, MAX_ROUNDS)[1]]


def extra_info(summary: Any, metric: str) -> dict[str, float | int]:
    """Percentiles, counts and rates for pytest-benchmark's JSON; unknown ones are left out."""
    distribution = getattr(summary, _COLUMNS.get(metric, ""), None)
    figures = {
        "requests": summary.requests,
        "failed": summary.failed,
        "requests_per_s": summary.requests_per_s,
        "output_tokens_per_s": summary.output_tokens_per_s,
        "n": getattr(distribution, "n", None),
        **{f"{p}_ms": getattr(distribution, p, None) for p in ("p50", "p90", "p95", "p99")},
    }
    return {key: value for key, value in figures.items() if value is not None}
