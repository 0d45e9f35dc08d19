"""What a session shows beyond its cells: the knee of a ramp, the top rate, the ideal size.

These are tables and lines for the terminal; the page shows the same with charts.
"""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from llmbench.cells import Ramp, format_bytes
from llmbench.config import ModelConfig
from llmbench.report.launch_facts import launch_spreads, spread_text
from llmbench.report.numbers import number, plural, size
from llmbench.report.terminal.classes_table import classes_found
from llmbench.report.terminal.depth_table import depths_found
from llmbench.report.terminal.schema_lines import schemas_found
from llmbench.report.terminal.turns_table import caches_found, turns_found
from llmbench.results import CellResult, CellSummary, Search
from llmbench.store import RunDir

if TYPE_CHECKING:
    from rich.table import Table

    from llmbench.metrics import Findings, Point, Sizing
    from llmbench.verdict import JudgedCell


def highlights(run: RunDir) -> "Iterator[Table | str]":
    """Findings on ramps, cold starts, rates and limits, and on the servers' own views."""
    from llmbench.verdict import judged_cells

    cells = judged_cells(run)
    results = [result for cell in cells for result in cell.results]
    for cell in cells:
        if isinstance(cell.runs[0].cell.shape, Ramp) and cell.runs[0].step_ends_ns:
            yield from ramp_found(cell)
    yield from turns_found(results)
    yield from caches_found(results)
    yield from schemas_found(results)
    yield from depths_found(results)
    yield from classes_found(results)
    yield from hang_ups_found(results)
    yield from cold_starts_found(cells)
    yield from launches_found(cells)
    searches = run.searches()
    trials = {cell_id for search in searches for cell_id in search.cells}
    yield from (search_said(search) for search in searches)
    yield from rates_found([r for r in results if r.summary.cell_id not in trials])
    for model in run.info().models:
        yield from sizes_found(model, results)
    yield from views_found(results)


def ramp_found(cell: "JudgedCell") -> "Iterator[Table | str]":
    """The steps of a ramp's last repeat, and what its curve shows."""
    from llmbench.metrics import findings, steady_points
    from llmbench.report.terminal.cell_table import verdict_word
    from llmbench.verdict import judged_step

    curve = cell.repeats[-1].requests.ramp
    columns = ("users", "requests/s", "latency p50", "TTFT p50", "failed", "verdict")
    table = _table(f"{cell.cell_id}", columns)
    for point in curve:
        summary = point.summary
        latency, ttft = summary.latency_ms, summary.ttft_ms
        table.add_row(
            f"{point.load:g}",
            number(summary.requests_per_s),
            number(latency.p50 if latency else None),
            number(ttft.p50 if ttft else None),
            number(summary.failed),
            verdict_word([judged_step(cell.runs[-1], point)], stamped=False),
        )
    yield table
    yield from curve_said(findings(steady_points(curve)))


def curve_said(shown: "Findings") -> Iterator[str]:
    """Best latency, max RPS without significant deterioration, knee and peak, in words."""
    rule, limit = shown.rule, number(shown.latency_limit_ms)
    means = f"latency {rule.percentile} within {rule.factor:g}x of the least load's: {limit} ms"
    yield f"best latency: {_latency(shown.best_latency)}"
    yield f"max RPS without significant deterioration: {_rate(shown.sustained)} ({means})"
    yield f"knee (Kneedle): {_rate(shown.knee)}"
    yield f"peak: {_rate(shown.peak)}"


def hang_ups_found(results: Sequence[CellResult]) -> Iterator[str]:
    """A line for the last repeat of each cell on whose requests the client hung up."""
    from llmbench.verdict import hang_ups_said

    for summary in {result.summary.cell_id: result.summary for result in results}.values():
        yield from (f"{summary.cell_id}: {said}" for said in hang_ups_said(summary))


def cold_starts_found(cells: "Sequence[JudgedCell]") -> "Iterator[Table]":
    """The times from launch to healthy and to the first token, and the memory; medians."""
    cold = [cell for cell in cells if cell.runs[0].cell.is_cold]
    if not cold:
        return
    columns = ("cold start", "launches", "healthy s", "first token s", "peak memory", "file cache")
    table = _table("cold starts", columns)
    for cell in cold:
        launches = [run.endpoint.launch for run in cell.runs]
        peak = _median(launch.peak_memory_bytes for launch in launches)
        cache = _median(launch.file_cache_bytes for launch in launches)
        table.add_row(
            cell.cell_id,
            str(len(launches)),
            number(_median(launch.healthy_s for launch in launches)),
            number(_median(launch.first_token_s for launch in launches)),
            "-" if peak is None else size(peak),
            "-" if cache is None else size(cache),
        )
    yield table


def launches_found(cells: "Sequence[JudgedCell]") -> "Iterator[Table]":
    """How far launches of the same server lie apart, where cells were measured in several."""
    apart = {
        cell.cell_id: launch_spreads(cell.results)
        for cell in cells
        if not cell.runs[0].cell.is_cold
    }
    figures = dict.fromkeys(name for spreads in apart.values() for name in spreads)
    if not figures:
        return
    columns = ("standard deviation", "launches", *figures)
    table = _table("launches: between them, and of repeats within one", columns)
    for cell_id, spreads in apart.items():
        if spreads:
            count = str(max(spread.launches for spread in spreads.values()))
            table.add_row(cell_id, count, *(spread_text(spreads.get(name)) for name in figures))
    yield table


def search_said(search: Search) -> str:
    """The answer of a search, with the interval in which it lies."""
    what = "highest rate that meets the SLO" if search.unit == "requests/s" else "most users"
    trials = plural(len(search.cells), "trial")
    if not search.confirmed:
        trials += ", not all confirmed by a second one (more: --llm-search-time)"
    bound = "no bound found above" if search.missed is None else f"missed at {search.missed:g}"
    if search.capacity is not None:
        bound += f": its trial met it, but overloaded the server did {search.capacity:.3g}/s"
    if search.met is None:
        least = f" ({bound})" if search.missed is not None else ""
        return f"{search.name}: {what}: none{least}, by {trials}"
    return f"{search.name}: {what}: {search.met:g} {search.unit} ({bound}), by {trials}"


def rates_found(results: Sequence[CellResult]) -> Iterator[str]:
    """For each model and pair of lengths, the highest rate that was valid and met the SLO."""
    opened = [r for r in results if r.summary.cell.rate_per_s is not None]
    for place in dict.fromkeys(_place(result) for result in opened):
        here = [result for result in opened if _place(result) == place]
        met = [_asked(r) for r in here if all(_good(h) for h in here if _asked(h) == _asked(r))]
        tried = f"of {len({_asked(r) for r in here})} tried"
        highest = f"{max(met):g} requests/s" if met else "none"
        yield f"{place}: highest rate that meets the SLO: {highest} ({tried}{_capacity(here)})"


def _capacity(results: Sequence[CellResult]) -> str:
    """The rate from which on the server was overloaded, and the rate that it reached then."""
    overloaded = [r for r in results if r.outcome == "overloaded"]
    if not overloaded:
        return ""
    rate = number(median(r.summary.requests_per_s or 0.0 for r in overloaded))
    return f"; overloaded from {min(map(_asked, overloaded)):g}/s on, doing {rate} requests/s"


def views_found(results: Sequence[CellResult]) -> Iterator[str]:
    """A line on where the time to the first token went, else on the views furthest apart."""
    from llmbench.verdict import Rules, disagreements

    split = [
        result
        for result in results
        if result.summary.server_prefill_mean_ms is not None
        and (result.summary.clock_overrun_share or 0.0) < Rules().clock_overrun_share
    ]
    if split:
        yield time_went(max(split, key=lambda result: _mean_ttft_ms(result.summary)).summary)
        return
    gaps = [(d, r.summary.cell_id) for r in results for d in disagreements(r.summary, Rules())]
    if gaps:
        worst, cell = max(gaps, key=lambda pair: pair[0].share)
        others = len({cell for _, cell in gaps}) - 1
        more = f" (and {plural(others, 'more cell')}: see their notes)" if others else ""
        yield f"the server's own view: {cell}: {worst.text}{more}"


def time_went(summary: CellSummary) -> str:
    """The parts of a cell's mean TTFT, as in ``…-users8: mean TTFT 3,730 ms: 90 % queue, …``."""
    whole = _mean_ttft_ms(summary)
    parts = {
        "queue": summary.server_queue_mean_ms,
        "prefill": summary.server_prefill_mean_ms,
        "unaccounted": summary.ttft_unaccounted_mean_ms,
    }
    shares = [f"{part / whole:.0%} {name}" for name, part in parts.items() if part is not None]
    queue = "" if parts["queue"] is not None else " (the server tells no queue: it is in there)"
    where = f"{summary.cell_id}: mean TTFT {number(whole)} ms"
    return f"where the time went: {where}: {', '.join(shares)}{queue}".replace("%", " %")


def _mean_ttft_ms(summary: CellSummary) -> float:
    """The mean TTFT of the requests whose parts the server gave."""
    parts = (
        summary.server_queue_mean_ms,
        summary.server_prefill_mean_ms,
        summary.ttft_unaccounted_mean_ms,
    )
    return sum(part or 0.0 for part in parts)


def sizes_found(model: ModelConfig, results: Sequence[CellResult]) -> "Iterator[Table | str]":
    """Every size of a model with its figures, and the ideal one; nothing for a single size."""
    from llmbench.metrics import sizing_of

    outcome = sizing_of(results, model.name, model)
    if outcome is not None:
        yield sizing_table(model.name, outcome)
        ideal = outcome.ideal
        yield f"ideal: {ideal.limits.text if ideal else 'none is feasible'} ({outcome.rule})"
        if outcome.returns:
            yield outcome.returns


def sizing_table(name: str, outcome: "Sizing") -> "Table":
    """Throughput, time per token, TTFT and efficiency against instances, cores and memory."""
    columns = (
        outcome.axis,
        "memory",
        "out tokens/s",
        "per core",
        "ms/token",
        "TTFT p50",
        "USD/h",
        "",
    )
    table = _table(name, columns)
    for row in outcome.rows:
        memory = row.limits.memory_bytes
        table.add_row(
            outcome.extent(row),
            "-" if memory is None else format_bytes(memory),
            number(row.output_tokens_per_s),
            number(row.tokens_per_s_per_core),
            number(row.time_per_token_p50_ms),
            number(row.ttft_p50_ms),
            number(row.usd_per_hour),
            "IDEAL" if row == outcome.ideal else row.why.partition("\n")[0],
        )
    return table


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    return table


def _median(values: Iterable[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return median(measured) if measured else None


def _latency(point: "Point | None") -> str:
    latency = point.summary.latency_ms if point else None
    if point is None or latency is None:
        return "not known"
    return f"{number(latency.p50)} ms (p50) with {plural(round(point.load), 'user')}"


def _rate(point: "Point | None") -> str:
    if point is None:
        return "not found"
    return f"{number(point.requests_per_s)} requests/s with {plural(round(point.load), 'user')}"


def _place(result: CellResult) -> str:
    cell = result.summary.cell
    return f"{cell.config_name}-{cell.lengths_name}"


def _asked(result: CellResult) -> float:
    return result.summary.cell.rate_per_s or 0.0


def _good(result: CellResult) -> bool:
    return result.valid and result.meets_slo
