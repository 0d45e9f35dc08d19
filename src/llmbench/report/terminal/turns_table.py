"""The turns of conversations, as the terminal shows them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmbench.report.numbers import UNKNOWN, number, percent
from llmbench.results import CellResult, CellSummary
from llmbench.traffic import TurnSummary

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("turn", "requests", "TTFT p50", "TTFT p95", "prompt tokens p50", "cached", "possible")

MEANING = "cached: share of the prompt tokens, as the server tells; possible: what was said before"


def turn_row(turn: TurnSummary) -> tuple[str, ...]:
    """The texts of one turn in `COLUMNS`: times in ms, shares of the prompt tokens."""
    return (
        str(turn.turn),
        f"{turn.requests:,}",
        number(turn.ttft_ms_p50),
        number(turn.ttft_ms_p95),
        number(turn.input_tokens_p50),
        percent(turn.cached_share),
        percent(turn.possible_share),
    )


def turns_found(results: Sequence[CellResult]) -> "Iterator[Table]":
    """A table for the last repeat of each cell of conversations."""
    from rich import box
    from rich.table import Table

    last = {result.summary.cell_id: result.summary for result in results}
    for summary in last.values():
        if not summary.turns:
            continue
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            title=f"{summary.cell_id}: turn by turn",
            title_justify="left",
            caption=f"times in ms; {MEANING}",
            caption_justify="left",
        )
        for name in COLUMNS:
            table.add_column(name, justify="right")
        for turn in summary.turns:
            table.add_row(*turn_row(turn))
        yield table


CACHE_COLUMNS = (
    "model",
    "load",
    "turn",
    "TTFT p50, cache off",
    "cache on",
    "off / on",
    "cached",
    "possible",
)


def cache_rows(results: Sequence[CellResult]) -> list[tuple[str, ...]]:
    """TTFT turn by turn without and with the prefix cache, for each load that had both."""
    last = {result.summary.cell_id: result.summary for result in results if result.summary.turns}
    pairs: dict[tuple[str, str], dict[str, CellSummary]] = {}
    for summary in last.values():
        cell = summary.cell
        if cell.prefix_cache is not None:
            model = cell.model + cell.limits.suffix
            pairs.setdefault((model, cell.load_name), {})[cell.prefix_cache] = summary
    return [
        (*names, *_compared(off, on))
        for names, pair in pairs.items()
        if len(pair) == 2
        for off, on in zip(pair["off"].turns, pair["on"].turns, strict=False)
    ]


def _compared(off: TurnSummary, on: TurnSummary) -> tuple[str, ...]:
    """One turn without and with the cache; the shares are those with it."""
    without, with_it = off.ttft_ms_p50, on.ttft_ms_p50
    ratio = without / with_it if without is not None and with_it else None
    return (
        str(on.turn),
        number(without),
        number(with_it),
        UNKNOWN if ratio is None else f"{number(ratio)}×",
        percent(on.cached_share),
        percent(on.possible_share),
    )


def caches_found(results: Sequence[CellResult]) -> "Iterator[Table]":
    """One table of all loads that were measured without and with the prefix cache."""
    from rich import box
    from rich.table import Table

    rows = cache_rows(results)
    if not rows:
        return
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title="without and with the prefix cache",
        title_justify="left",
        caption=f"times in ms; {MEANING}",
        caption_justify="left",
    )
    for name in CACHE_COLUMNS:
        table.add_column(name, justify="left" if name in ("model", "load") else "right")
    for row in rows:
        table.add_row(*row)
    yield table
