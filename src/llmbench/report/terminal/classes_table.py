"""The classes of a mix, as the terminal shows them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmbench.report.numbers import number, percent
from llmbench.results import CellResult, ClassSummary, Distribution

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    "class",
    "requests",
    "share",
    "failed",
    "hung up",
    "in → out",
    "TTFT p50",
    "TTFT p95",
    "ms/ token",
    "out tokens/s",
    "goodput",
    "SLO",
)

MEANING = "in → out: tokens; share: of all requests; goodput and SLO: by the class's own limits"


def class_row(one: ClassSummary, result: CellResult) -> tuple[str, ...]:
    """The texts of one class in `COLUMNS`: times in ms, medians where no percentile is named."""
    tokens = f"{_p50(one.input_tokens)} → {_p50(one.output_tokens)}"
    ttft = one.scheduled_ttft_ms or one.ttft_ms  # from the schedule in an open loop
    return (
        one.name,
        f"{one.requests:,}",
        percent(one.share),
        f"{one.failed + one.dropped:,}",
        f"{one.hung_up:,}",
        tokens,
        _p50(ttft),
        number(ttft.p95 if ttft else None),
        _p50(one.time_per_token_ms),
        number(one.output_tokens_per_s),
        percent(one.goodput),
        slo_word(one, result),
    )


def slo_word(one: ClassSummary, result: CellResult) -> str:
    """``met``, ``missed`` or ``undecided``; empty where the class has no limits."""
    start = f"class {one.name}: "
    if any(miss.message.startswith(start) for miss in result.slo_misses):
        return "missed"
    if any(limit.message.startswith(start) for limit in result.slo_undecided):
        return "undecided"
    return "met" if one.limit_counts or one.goodput is not None else ""


def _p50(values: Distribution | None) -> str:
    return number(values.p50 if values else None)


def classes_found(results: Sequence[CellResult]) -> "Iterator[Table]":
    """A table for the last repeat of each cell of a mix."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    last = {result.summary.cell_id: result for result in results}
    for result in last.values():
        if not result.summary.classes:
            continue
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            title=f"{result.summary.cell_id}: class by class",
            title_justify="left",
            caption=f"times in ms; {MEANING}",
            caption_justify="left",
        )
        for name in COLUMNS:
            left = name in ("class", "SLO")
            table.add_column(name.replace(" ", "\n"), justify="left" if left else "right")
        for one in result.summary.classes:
            table.add_row(*map(escape, class_row(one, result)))
        yield table
