"""The SLO against a cell's numbers, and what is worth knowing beside them."""

from collections.abc import Iterator

from llmbench.cells import Shape
from llmbench.config import Percentiles, Slo
from llmbench.metrics import certifiable, samples_needed
from llmbench.results import CellSummary, Distribution, Problem

Limit = tuple[str, str, Distribution | None, float]


def slo_misses(summary: CellSummary, slo: Slo) -> Iterator[Problem]:
    """Each limit of a resolved `slo` that the cell does not meet; unknown is not met."""
    for name, percentile, found, limit in _limits(summary, slo):
        if found is None:
            text = f"{name} {percentile} is not known, limit {limit:g} ms: no request gave one"
            yield Problem(f"slo_{percentile}", text)
        elif (value := float(getattr(found, percentile))) > limit:
            text = f"{name} {percentile} {value:.4g} ms, limit {limit:g} ms (n = {found.n})"
            yield Problem(f"slo_{percentile}", f"{text}: over by {value / limit - 1:.1%}")
    if slo.error_rate is not None and summary.error_rate > slo.error_rate:
        text = f"error rate {summary.error_rate:.2%}, limit {slo.error_rate:.2%}"
        yield Problem("slo_error_rate", f"{text} ({summary.requests} requests)")
    if slo.goodput is not None:
        yield from _goodput(summary, slo.goodput)


def uncertified(summary: CellSummary, slo: Slo) -> Iterator[str]:
    """A note for each limit whose percentile has too few samples to be stated as a fact."""
    for name, percentile, found, limit in _limits(summary, slo):
        share = float(percentile[1:])
        if found is not None and not certifiable(share, found.n):
            yield (
                f"{name} {percentile} rests on {found.n} samples, {samples_needed(share)} would "
                f"certify it: its limit of {limit:g} ms is checked on what there is"
            )


def _goodput(summary: CellSummary, least: float) -> Iterator[Problem]:
    if summary.goodput is None:
        text = f"goodput is not known, limit {least:.2%}: the SLO sets no limit on a request"
        yield Problem("slo_goodput", text)
    elif summary.goodput < least:
        text = f"goodput {summary.goodput:.2%}, limit {least:.2%} ({summary.requests} requests)"
        yield Problem("slo_goodput", text)


def _limits(summary: CellSummary, slo: Slo) -> Iterator[Limit]:
    """(metric, percentile, what was found, limit in ms); open loop counts from the schedule."""
    for name, found, percentiles in _tables(summary, slo, summary.cell.shape):
        for percentile, limit in sorted(percentiles.items()):
            yield name, percentile, found, limit


def _tables(
    summary: CellSummary, slo: Slo, shape: Shape
) -> tuple[tuple[str, Distribution | None, Percentiles], ...]:
    ttft = summary.scheduled_ttft_ms if shape.is_open_loop else summary.ttft_ms
    latency = summary.scheduled_latency_ms if shape.is_open_loop else summary.latency_ms
    return (
        ("TTFT", ttft, slo.ttft_ms),
        ("time per token", summary.time_per_token_ms, slo.time_per_token_ms),
        ("latency", latency, slo.latency_ms),
    )
