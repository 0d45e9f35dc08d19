"""Finds where the client's view of a cell and the server's are too far apart to be ignored."""

from collections.abc import Iterator
from math import inf

from msgspec import Struct

from llmbench.results import CellSummary
from llmbench.verdict.rules import Rules


class Disagreement(Struct, frozen=True):
    """Two views of one quantity; `share` is their difference over the client's value."""

    share: float
    text: str


def disagreements(summary: CellSummary, rules: Rules) -> Iterator[Disagreement]:
    """Disagreements on TTFT and time per token, or on the latency if the server has no TTFT."""
    ttft, token = summary.server_ttft_ms, summary.server_time_per_token_ms
    floor, token_floor = rules.server_view_floor_ms, rules.server_view_token_floor_ms
    quantities = [
        ("TTFT", ttft, summary.server_ttft_mean_ms, summary.ttft_difference_ms, floor),
        (
            "time per token",
            token,
            summary.server_time_per_token_mean_ms,
            summary.time_per_token_difference_ms,
            token_floor,
        ),
    ]
    if summary.ttft_difference_ms is None:
        latency = summary.server_latency_mean_ms
        quantities.append(("latency", None, latency, summary.latency_difference_ms, floor))
    for name, of_requests, mean, difference, floor_ms in quantities:
        theirs, kind = (of_requests.p50, "median") if of_requests else (mean, "mean")
        if theirs is None or difference is None:
            continue
        ours = theirs + difference
        if abs(difference) > max(floor_ms, rules.server_view_share * ours):
            views = f"{name} ({kind}): {ours:.1f} ms here, {theirs:.1f} ms by the server's clock"
            share = abs(difference) / ours if ours > 0 else inf  # 0: all tokens came in one read
            yield Disagreement(share, f"{views}; {_why(difference)}")


def _why(difference: float) -> str:
    if difference > 0:
        return "the rest is waiting that its clock does not count, the network, or a proxy"
    return "its clock counts time that no request spent waiting here"
