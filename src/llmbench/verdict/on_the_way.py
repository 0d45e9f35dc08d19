"""What lies between the client and the server's clock: a proxy, a gateway, or a wrong clock."""

from collections.abc import Iterator

from llmbench.results import CellSummary
from llmbench.verdict.rules import Rules


def on_the_way(summary: CellSummary, rules: Rules) -> Iterator[str]:
    """Notes with their evidence, where the server tells its own times and they show it."""
    wrong = list(_wrong_clock(summary, rules))
    yield from wrong or _gateway(summary, rules)
    yield from _held(summary, rules)


def _wrong_clock(summary: CellSummary, rules: Rules) -> Iterator[str]:
    share, told = summary.clock_overrun_share, summary.clock_overrun_told_ms
    seen = summary.clock_overrun_seen_ms
    enough = share is not None and share * summary.in_window >= 2
    if share is None or not enough or share < rules.clock_overrun_share:
        return
    yield (
        f"in {share:.0%} of the requests the server tells more time than passed here "
        f"({told:.1f} ms of {seen:.1f} ms, medians): its clock is wrong, or it counts something "
        "else, so where the time went is not known"
    )


def _held(summary: CellSummary, rules: Rules) -> Iterator[str]:
    """A note on tokens that came together although the server's clock has them apart."""
    share, tokens = summary.bounded_share, summary.server_time_per_token_ms
    if share is None or tokens is None or share <= rules.held_share:
        return
    lag = summary.client_lag_ms
    reads_late = lag is not None and lag.p90 >= tokens.p50  # then the client itself holds them
    if tokens.n >= rules.path_requests and tokens.p50 >= rules.held_token_ms and not reads_late:
        yield (
            f"{share:.0%} of the token events came together with later ones, though the server's "
            f"clock has {tokens.p50:.1f} ms between tokens: a proxy or the server's own front end "
            "holds them back, so TTFT and inter-token latency are those of its buffer"
        )


def _gateway(summary: CellSummary, rules: Rules) -> Iterator[str]:
    """A note on time that each request spends outside of the server's clock.

    It must be about the same for all of them, as a queue is not, and more than the network takes:
    a new connection is one way there and back, and so is a request.
    """
    outside, first = summary.outside_server_ms, summary.ttft_ms or summary.latency_ms
    if outside is None or first is None or outside.n < rules.path_requests:
        return
    connect_ms = summary.connect_ms or 0.0
    least = max(rules.server_view_floor_ms, rules.server_view_share * first.p50)
    constant = outside.p90 - outside.min <= rules.outside_spread * outside.p50
    if constant and outside.p50 - connect_ms > least:
        yield (
            f"{outside.p50:.1f} ms of each request ({outside.min:.1f} to {outside.p90:.1f}) pass "
            f"outside of the server's clock, which has its queue; a new connection takes "
            f"{connect_ms:.1f} ms: a gateway, a proxy or the server's own front end adds them"
        )
