"""The figures of a repeat that are compared: those of a cell, and of each class of a mix."""

from collections.abc import Sequence

from llmbench.results import CellResult, CellSummary, ClassSummary, Distribution

ADVISORY = ("ttft_p95", "ttft_p99", "time_per_token_p95", "time_per_token_p99", "latency_p95")
"""The metrics that gate only if every repeat has enough requests to certify the percentile."""


def part_name(cell_id: str, name: str) -> str:
    """What a class of a mix is called where it stands beside cells."""
    return f"{cell_id}:{name}"


def classes_of(results: Sequence[CellResult]) -> tuple[ClassSummary, ...]:
    """The classes of a mix, as the first repeat that has some shows them."""
    return next((r.summary.classes for r in results if r.summary.classes), ())


def class_of(summary: CellSummary, name: str) -> ClassSummary:
    """The part of that class."""
    return next(one for one in summary.classes if one.name == name)


def compared(summary: CellSummary) -> dict[str, float | None]:
    """The figures that are compared.

    In an open loop TTFT counts from the schedule, and the rate is not the server's. An overloaded
    server has only a rate (its capacity), since its times grow for as long as the load lasts. The
    times of a mix are those of its classes (`compared_class`).
    """
    if summary.inputs_per_s is not None:
        return _of_inputs(summary)
    if summary.overloaded:
        return {"throughput": summary.output_tokens_per_s}
    is_open = summary.cell.shape.is_open_loop
    figures = {} if summary.classes else _times(summary, is_open)
    if not is_open:
        figures["throughput"] = summary.output_tokens_per_s
    if summary.computes_on_cpu and summary.cpu_per_token_ms is not None:
        figures["cpu_per_token"] = summary.cpu_per_token_ms
    return figures


def _of_inputs(summary: CellSummary) -> dict[str, float | None]:
    """The same where no tokens come out: latency counts instead, and inputs/s are the rate."""
    rate = {"inputs_per_s": summary.inputs_per_s}
    if summary.overloaded:
        return rate
    is_open = summary.cell.shape.is_open_loop
    latency = summary.scheduled_latency_ms if is_open else summary.latency_ms
    times = {"latency": _at(latency, "p50"), "latency_p95": _at(latency, "p95")}
    return times if is_open else times | rate


def compared_class(summary: CellSummary, name: str) -> dict[str, float | None]:
    """The figures of one class of a mix that are compared."""
    if summary.overloaded:
        return {}
    return _times(class_of(summary, name), summary.cell.shape.is_open_loop)


def _times(summary: CellSummary | ClassSummary, is_open: bool) -> dict[str, float | None]:
    ttft = summary.scheduled_ttft_ms if is_open else summary.ttft_ms
    token = summary.time_per_token_ms
    figures = {"ttft": _at(ttft, "p50"), "time_per_token": _at(token, "p50")}
    for percentile in ("p95", "p99"):
        figures[f"ttft_{percentile}"] = _at(ttft, percentile)
        figures[f"time_per_token_{percentile}"] = _at(token, percentile)
    return figures


def _at(values: Distribution | None, percentile: str) -> float | None:
    return None if values is None else float(getattr(values, percentile))
