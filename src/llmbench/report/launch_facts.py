"""How far the launches of a server lie apart in a cell, and the repeats of each launch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmbench.report.numbers import percent
from llmbench.results import CellResult, CellSummary

if TYPE_CHECKING:
    from llmbench.metrics import LaunchSpread


def launch_spreads(results: Sequence[CellResult]) -> "dict[str, LaunchSpread]":
    """The spread of one cell's main figures, by name; empty with fewer than two launches."""
    from llmbench.metrics import launch_spread

    valid = [result.summary for result in results if result.valid]
    spreads = {}
    for name in ("TTFT", "time per token", "output tokens/s"):
        values = [(s.launch, value) for s in valid if (value := _figure(s, name))]
        spread = launch_spread(values)
        if spread is not None:
            spreads[name] = spread
    return spreads


def _figure(summary: CellSummary, name: str) -> float | None:
    if name == "output tokens/s":
        return summary.output_tokens_per_s
    times = summary.ttft_ms if name == "TTFT" else summary.time_per_token_ms
    return None if times is None else times.p50


def spread_text(spread: "LaunchSpread | None") -> str:
    """``1.2 % between, 0.4 % within``; between alone where each launch has one repeat."""
    if spread is None:
        return percent(None)
    within = "" if spread.within is None else f", {percent(spread.within)} within"
    return f"{percent(spread.between)} between{within}"
