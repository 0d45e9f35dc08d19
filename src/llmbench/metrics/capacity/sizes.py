"""Finds the size that a model needs: the cheapest that fits and meets its SLO.

A size is a number of instances, each with so many cores and so much memory.
"""

import itertools
from collections.abc import Iterable, Sequence

from msgspec import Struct

from llmbench.cells import Limits
from llmbench.config import ModelConfig, instances_of
from llmbench.metrics.capacity.economics import occupied, price_of, usd_per_hour
from llmbench.results import CellResult

RETURNS = 0.5
"""More cores pay off while throughput grows by at least this share of the growth in cores.

So do more instances where their cores are not limited.
"""


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
    instances: int = 1
    cores: float | None = None  # of all instances; None without a limit

    @property
    def bulk(self) -> tuple[float, float, int]:
        """Cores and memory in all, then instances, to compare sizes by.

        No limit counts as more than any limit.
        """
        endless, memory = float("inf"), self.limits.memory_bytes
        cores = endless if self.cores is None else self.cores
        return cores, endless if memory is None else self.instances * memory, self.instances


class Sizing(Struct, frozen=True):
    """All sizes with the ideal one, and the rule that chose it."""

    rows: tuple[SizedRow, ...]
    ideal: SizedRow | None
    diminishing: SizedRow | None  # the most cores that still paid off
    rule: str

    @property
    def axis(self) -> str:
        """What grows beside the memory: ``cores``, ``instances``, or ``instances x cores``."""
        several = len({row.instances for row in self.rows}) > 1
        limited = any(row.cores is not None for row in self.rows)
        return " x ".join(["instances"] * several + ["cores"] * (limited or not several))

    def extent(self, row: SizedRow) -> str:
        """How far a row goes along that axis, as in ``2 x 4``."""
        words = {"instances": str(row.instances), "cores": _limit(row.limits.cores)}
        return " x ".join(words[part] for part in self.axis.split(" x "))

    @property
    def returns(self) -> str:
        """What more cores bring, in words; empty where too few sizes are feasible."""
        last = self.diminishing
        if last is None:
            return ""
        most = max(_extent(row) for row in self.rows if row.feasible)
        what, extent = "instances" if last.cores is None else "cores", _extent(last)
        if extent == most:
            return f"more {what} paid up to {most:g}, the most tried"
        if extent == 1:
            return f"more than 1 {what.removesuffix('s')} stops paying"
        return f"more than {extent:g} {what} stop paying"


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

    It is the cheapest by the price in `config` if that is given, else it has the fewest cores in
    all, then the least memory, and then the fewest instances.
    """
    rows = tuple(sorted((_row(size, config) for size in sizes), key=lambda row: row.bulk))
    feasible = [row for row in rows if row.feasible]
    prices = {row.usd_per_hour for row in feasible}
    priced = None not in prices and (len(prices) > 1 or len(feasible) == 1)
    least = "fewest cores, then least memory"
    if len({row.instances for row in rows}) > 1:
        least = "fewest cores in all, then least memory, then fewest instances"
    cheap = "lowest price for its cores and GiB" if priced else least
    ideal = min(feasible, default=None, key=lambda row: (row.usd_per_hour or 0.0, *row.bulk))
    return Sizing(
        rows, ideal, diminishing(rows), f"valid, fits and meets the SLO; of these: {cheap}"
    )


def diminishing(rows: Sequence[SizedRow]) -> SizedRow | None:
    """The point of diminishing returns: the most cores up to which more of them still paid off.

    Each number of cores (of instances, without a limit of cores) is represented by its feasible
    size with most tokens/s. From the fewest up, a step pays off if the relative growth of
    throughput is at least half of the relative growth of cores.
    """
    best: dict[float, SizedRow] = {}
    limited = any(row.cores is not None for row in rows)
    for row in rows:
        extent, rate = (row.cores if limited else _extent(row)), row.output_tokens_per_s
        if row.feasible and extent is not None and rate is not None:
            leader = best.get(extent)
            if leader is None or rate > (leader.output_tokens_per_s or 0.0):
                best[extent] = row
    if len(best) < 2:
        return None
    steps = [best[extent] for extent in sorted(best)]
    for before, after in itertools.pairwise(steps):
        if _gain(before, after) < RETURNS:
            return before
    return steps[-1]


def _limit(cores: float | None) -> str:
    return "-" if cores is None else f"{cores:g}"


def _extent(row: SizedRow) -> float:
    """What grows from size to size: the cores of all instances, without a limit the instances."""
    return row.instances if row.cores is None else row.cores


def _gain(before: SizedRow, after: SizedRow) -> float:
    """The relative growth of throughput over the relative growth of cores."""
    rates = (before.output_tokens_per_s or 0.0, after.output_tokens_per_s or 0.0)
    return (rates[1] / rates[0] - 1) / (_extent(after) / _extent(before) - 1) if rates[0] else 0.0


def _row(size: Size, config: ModelConfig | None) -> SizedRow:
    why = _why(size)
    good = [r.summary for r in size.results if r.valid and r.summary.output_tokens_per_s]
    best = max(good, key=lambda s: s.output_tokens_per_s or 0.0, default=None)
    rate = best.output_tokens_per_s if best else None
    instances = size.limits.instances or _own_instances(config)
    cores = None if size.limits.cores is None else instances * size.limits.cores
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
        tokens_per_s_per_core=None if rate is None or cores is None else rate / cores,
        usd_per_hour=None if config is None else _price(config, size.limits),
        instances=instances,
        cores=cores,
    )


def _own_instances(config: ModelConfig | None) -> int:
    return 1 if config is None else instances_of(config.server, Limits())


def _price(config: ModelConfig, limits: Limits) -> float | None:
    price = price_of(config)
    return None if price is None else usd_per_hour(price, occupied(config.server, limits))


def _why(size: Size) -> str:
    if size.failure is not None:
        return size.failure
    if not size.results:
        return "not measured"
    return "\n".join(dict.fromkeys(result.why for result in size.results if result.why))
