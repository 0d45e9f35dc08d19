"""The turns of conversations, as the terminal shows them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmbench.report.numbers import number, percent
from llmbench.results import CellResult
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
