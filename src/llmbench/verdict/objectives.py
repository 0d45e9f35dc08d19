"""Compares a cell's numbers with the SLO: what is missed, and what too few requests leave open."""

from collections.abc import Iterator

from llmbench.config import Slo
from llmbench.metrics import resolve, samples_needed
from llmbench.results import CellSummary, ClassSummary, LimitCount, Problem
from llmbench.traffic import Mix

Judged = CellSummary | ClassSummary


def slo_misses(summary: CellSummary, slo: Slo) -> Iterator[Problem]:
    """Each limit that the cell, or a class of it, does not meet; an unknown figure doesn't.

    `slo` is the model's. The percentiles of a mix are judged class by class, each by the class's
    own SLO where it has one.
    """
    yield from _misses(summary, resolve(slo))
    for one, limits in _classes(summary, slo):
        yield from (_of_class(one, miss) for miss in _misses(one, limits) if one.succeeded)


def slo_undecided(summary: CellSummary, slo: Slo) -> Iterator[Problem]:
    """Each limit that is not missed but that too few requests leave unproven.

    A percentile must be met with 99 % confidence, as in MLPerf LoadGen's early stopping.
    """
    yield from _undecided(summary)
    for one, _ in _classes(summary, slo):
        yield from (_of_class(one, limit) for limit in _undecided(one))


def _classes(summary: CellSummary, slo: Slo) -> Iterator[tuple[ClassSummary, Slo]]:
    """Each class of a mix with the limits that its requests have to meet."""
    mix = summary.cell.traffic
    asked = mix.classes if isinstance(mix, Mix) else ()
    for one, its in zip(summary.classes, asked, strict=False):
        yield one, resolve(its.slo or slo)


def _of_class(one: ClassSummary, problem: Problem) -> Problem:
    return Problem(problem.rule, f"class {one.name}: {problem.message}")


def _misses(summary: Judged, slo: Slo) -> Iterator[Problem]:
    for count in summary.limit_counts:
        if (text := _miss(count)) is not None:
            yield Problem(f"slo_{count.percentile}", text)
    if slo.error_rate is not None and summary.error_rate > slo.error_rate:
        text = f"error rate {summary.error_rate:.2%}, limit {slo.error_rate:.2%}"
        yield Problem("slo_error_rate", f"{text} ({summary.requests} requests)")
    if slo.goodput is not None:
        yield from _goodput(summary, slo.goodput)


def _undecided(summary: Judged) -> Iterator[Problem]:
    for count in summary.limit_counts:
        needed = samples_needed(float(count.percentile[1:]), count.over)
        if _miss(count) is None and count.samples < needed:
            yield Problem(
                f"slo_{count.percentile}",
                f"{count.percentile} {count.metric}: not enough requests to tell "
                f"({count.samples} of {needed}) whether its limit of {count.limit_ms:g} ms is met",
            )


def not_sustained(summary: CellSummary) -> Problem | None:
    """The problem that more was asked than the server could do; this doesn't make it INVALID."""
    asked, served = summary.cell.rate_per_s, summary.requests_per_s
    if not summary.overloaded or asked is None or served is None:
        return None
    return Problem(
        "overloaded",
        f"the server could not sustain {asked:g} requests/s: it did {served:.3g}/s, its "
        f"capacity, and requests in flight grew by {summary.in_flight_growth_per_s or 0:.2g}/s (at "
        f"least {summary.least_in_flight_growth_per_s or 0:.2g}/s); latencies are of the moment: "
        "they grow for as long as the load lasts",
    )


def _miss(count: LimitCount) -> str | None:
    """What is wrong with the percentile; None where it is within its limit."""
    name, limit = f"{count.metric} {count.percentile}", f"limit {count.limit_ms:g} ms"
    if count.samples == count.lost:
        return f"{name} is not known, {limit}: no request gave one"
    if count.value_ms is None:
        return (
            f"{count.percentile} {count.metric}: {100 * count.lost / count.samples:.2g} % of "
            f"requests failed or were dropped and count as infinitely slow, {limit} "
            f"(n = {count.samples})"
        )
    if count.value_ms <= count.limit_ms:
        return None
    excess = count.value_ms / count.limit_ms - 1
    return f"{name} {count.value_ms:.4g} ms, {limit} (n = {count.samples}): over by {excess:.1%}"


def _goodput(summary: Judged, least: float) -> Iterator[Problem]:
    if summary.goodput is None:
        text = f"goodput is not known, limit {least:.2%}: the SLO sets no limit on a request"
        yield Problem("slo_goodput", text)
    elif summary.goodput < least:
        text = f"goodput {summary.goodput:.2%}, limit {least:.2%} ({summary.requests} requests)"
        yield Problem("slo_goodput", text)
