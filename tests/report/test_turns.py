"""The turns of conversations: at the terminal and as a chart, from what was recorded of them."""

from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from llmbench.cells import Cell, Users
from llmbench.metrics.digests.turns import possible_share, turn_summaries
from llmbench.metrics.tables import table
from llmbench.report.charts.context import against_turns
from llmbench.report.terminal.turns_table import cache_rows, caches_found, turns_found
from llmbench.results import CellResult
from llmbench.traffic import Cache, Conversations
from llmbench.verdict.judging import results
from tests.metrics.making import request
from tests.report.synthetic import grid, write_run

TURNS = [
    request(0, ttft_ms=50, turn=1, input_tokens=40, prefix_tokens=0, cached_tokens=0),
    request(200, ttft_ms=80, turn=2, input_tokens=100, prefix_tokens=80, cached_tokens=64),
    request(0, ttft_ms=70, turn=1, input_tokens=60, prefix_tokens=0, cached_tokens=0),
    request(200, ttft_ms=80, turn=2, input_tokens=100, prefix_tokens=80, cached_tokens=80),
]


@pytest.fixture
def talked(run_path: Path) -> CellResult:
    """A result of conversations with two turns."""
    (one,) = results(write_run(run_path, grid(users=(1,))))
    cell = Cell("tiny", 0, 0, Users(1), traffic=Conversations("chat", output_tokens=5))
    turns = turn_summaries(table(TURNS))
    return structs.replace(
        one, summary=structs.replace(one.summary, cell=cell, cell_id=cell.id, turns=turns)
    )


def test_each_turn_has_its_own_figures() -> None:
    first, second = turn_summaries(table(TURNS))
    assert (first.turn, first.requests, first.ttft_ms_p50, first.input_tokens_p50) == (1, 2, 60, 50)
    assert (first.cached_share, first.possible_share) == (0.0, 0.0)
    assert second.cached_share == pytest.approx(0.72)
    assert second.possible_share == pytest.approx(0.8)


def test_a_request_without_an_earlier_one_says_nothing_of_a_cache() -> None:
    assert possible_share(table([request(0)])) is None
    assert turn_summaries(table([request(0)])) == ()


def test_the_terminal_shows_a_row_for_each_turn(talked: CellResult) -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(*turns_found([talked]))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["tiny-chat-users1:", "turn", "by", "turn"] in lines
    assert ["1", "2", "60.0", "69.0", "50.0", "0", "%", "0", "%"] in lines
    assert ["2", "2", "80.0", "80.0", "100", "72.0", "%", "80.0", "%"] in lines


def test_the_chart_says_how_ttft_changes(talked: CellResult) -> None:
    (draw,) = against_turns.charts([talked])
    chart = draw()
    assert chart is not None
    assert chart.title == "chat: TTFT goes from 60.0 ms in turn 1 to 80.0 ms in turn 2 (users1)"
    assert list(against_turns.charts([])) == []


@pytest.fixture
def both(talked: CellResult) -> list[CellResult]:
    """The same conversations without the prefix cache, where turn 2 takes 200 ms, and with it."""
    off, on = (with_cache(talked, cache) for cache in ("off", "on"))
    slower = tuple(
        structs.replace(turn, ttft_ms_p50=200.0 if turn.turn == 2 else 60.0)
        for turn in off.summary.turns
    )
    return [structs.replace(off, summary=structs.replace(off.summary, turns=slower)), on]


def with_cache(one: CellResult, cache: Cache) -> CellResult:
    cell = structs.replace(one.summary.cell, prefix_cache=cache)
    summary = structs.replace(one.summary, cell=cell, cell_id=cell.id)
    return structs.replace(one, summary=summary)


def test_turns_without_and_with_the_cache_stand_side_by_side(both: list[CellResult]) -> None:
    assert cache_rows(both) == [
        ("tiny", "chat-users1", "1", "60.0", "60.0", "1.00×", "0 %", "0 %"),
        ("tiny", "chat-users1", "2", "200", "80.0", "2.50×", "72.0 %", "80.0 %"),
    ]
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(*caches_found(both))
    assert "without and with the prefix cache" in capture.get()
    assert list(caches_found(both[:1])) == []


def test_the_chart_says_what_the_cache_brings(both: list[CellResult]) -> None:
    (draw,) = against_turns.charts(both)
    chart = draw()
    assert chart is not None
    assert chart.title == (
        "chat: in turn 2 TTFT is 80.0 ms with the prefix cache and 200 ms without"
    )
