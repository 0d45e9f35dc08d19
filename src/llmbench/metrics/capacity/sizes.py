"""Finds the cores and memory that a model needs: the cheapest size that fits and meets its SLO."""

import itertools
from collections.abc import Iterable, Sequence

from msgspec import Struct

from llmbench.cells import Limits
from llmbench.config import ModelConfig
from llmbench.metrics.capacity.economics import occupied, price_of, usd_per_hour
from llmbench.results import CellResult

RETURNS = 0.5
"""More cores pay off while throughput grows by at least this share of the growth in cores."""


class Size(Struct, frozen=True):
    """A server under limits: its cells' results, or why it could not be measured."""

    limits: Limits
    results: tuple[CellResult, ...]
    failure: str | None = None  # as in "OOM killed while loading"


class SizedRow(Struct, frozen=True):
    """A size as it is shown: its figures, what it costs, and whether it will do."""

    limits: Limits
    feasible: bool
    why: str  # why it won't do; empty when it is feasible
    output_tokens_per_s: float | None  # of its best cell
    requests_per_s: float | None
    ttft_p50_ms: float | None  # of the same cell
    time_per_token_p50_ms: float | None
    tokens_per_s_per_core: float | None
    usd_per_hour: float | None


class Sizing(Struct, frozen=True):
    """All sizes with the ideal one, and the rule that chose it."""

    rows: tuple[SizedRow, ...]
    ideal: SizedRow | None
    diminishing: SizedRow | None  # the most cores that still paid off
    rule: str

    @property
    def returns(self) -> str:
        """What more cores bring, in words; empty where too few sizes are feasible."""
        last = self.diminishing
        if last is None or last.limits.cores is None:
            return ""
        most = max(row.limits.cores or 0.0 for row in self.rows if row.feasible)
        if last.limits.cores == most:
            return f"more cores paid up to {most:g}, the most tried"
        return f"more than {last.limits.cores:g} cores stop paying"


def sizing_of(
    results: Iterable[CellResult], model: str, config: ModelConfig | None = None
) -> Sizing | None:
    """The sizes of a model that was run under several limits; None below two.

    `results` may be of other models too. Cells without limits are of no size. `config` is the
    model's, if it is known; its price decides between the sizes.
    """
    by_limits: dict[Limits, list[CellResult]] = {}
    for result in results:
        cell = result.summary.cell
        if cell.model == model and cell.limits != Limits():
            by_limits.setdefault(cell.limits, []).append(result)
    sizes = [Size(limits, tuple(mine)) for limits, mine in by_limits.items()]
    return sizing(sizes, config) if len(sizes) > 1 else None


def sizing(sizes: Sequence[Size], config: ModelConfig | None = None) -> Sizing:
    """The ideal size: the cheapest of the feasible ones (valid, fits, meets the SLO).

    It is the cheapest by the price in `config` if that is given, else it has the fewest cores and
    then the least memory.
    """
    rows = tuple(sorted((_row(size, config) for size in sizes), key=lambda r: _bulk(r.limits)))
    feasible = [row for row in rows if row.feasible]
    prices = {row.usd_per_hour for row in feasible}
    priced = None not in prices and (len(prices) > 1 or len(feasible) == 1)
    cheap = "lowest price for its cores and GiB" if priced else "fewest cores, then least memory"
    ideal = min(feasible, default=None, key=lambda r: (r.usd_per_hour or 0.0, *_bulk(r.limits)))
    return Sizing(
        rows, ideal, diminishing(rows), f"valid, fits and meets the SLO; of these: {cheap}"
    )


def diminishing(rows: Sequence[SizedRow]) -> SizedRow | None:
    """The point of diminishing returns: the most cores up to which more of them still paid off.

    Each number of cores is represented by its feasible size with most tokens/s. From the fewest
    cores up, a step pays off if the relative growth of throughput is at least half of the relative
    growth of cores.
    """
    best: dict[float, SizedRow] = {}
    for row in rows:
        cores, rate = row.limits.cores, row.output_tokens_per_s
        if row.feasible and cores is not None and rate is not None:
            leader = best.get(cores)
            if leader is None or rate > (leader.output_tokens_per_s or 0.0):
                best[cores] = row
    if len(best) < 2:
        return None
    steps = [best[cores] for cores in sorted(best)]
    for before, after in itertools.pairwise(steps):
        if _gain(before, after) < RETURNS:
            return before
    return steps[-1]


def _gain(before: SizedRow, after: SizedRow) -> float:
    """The relative growth of throughput over the relative growth of cores."""
    rates = (before.output_tokens_per_s or 0.0, after.output_tokens_per_s or 0.0)
    cores = (before.limits.cores or 0.0, after.limits.cores or 0.0)
    return (rates[1] / rates[0] - 1) / (cores[1] / cores[0] - 1) if rates[0] > 0 else 0.0


def _row(size: Size, config: ModelConfig | None) -> SizedRow:
    why = _why(size)
    good = [r.summary for r in size.results if r.valid and r.summary.output_tokens_per_s]
    best = max(good, key=lambda s: s.output_tokens_per_s or 0.0, default=None)
    rate = best.output_tokens_per_s if best else None
    cores = size.limits.cores
    return SizedRow(
        limits=size.limits,
        feasible=not why,
        why=why,
        output_tokens_per_s=rate,
        requests_per_s=best.requests_per_s if best else None,
        ttft_p50_ms=best.ttft_ms.p50 if best and best.ttft_ms else None,
        time_per_token_p50_ms=best.time_per_token_ms.p50
        if best and best.time_per_token_ms
        else None,
        tokens_per_s_per_core=rate / cores if rate is not None and cores else None,
        usd_per_hour=None if config is None else _price(config, size.limits),
    )


def _price(config: ModelConfig, limits: Limits) -> float | None:
    price = price_of(config)
    return None if price is None else usd_per_hour(price, occupied(config.server, limits))


def _why(size: Size) -> str:
    if size.failure is not None:
        return size.failure
    if not size.results:
        return "not measured"
    return "\n".join(dict.fromkeys(result.why for result in size.results if result.why))


def _bulk(limits: Limits) -> tuple[float, float]:
    """Cores and memory, to compare sizes by; no limit counts as more than any limit."""
    endless = float("inf")
    cores = endless if limits.cores is None else limits.cores
    return cores, endless if limits.memory_bytes is None else limits.memory_bytes
