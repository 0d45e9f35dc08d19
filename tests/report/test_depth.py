"""The speed at depth of a run: at the terminal, in Markdown and on the page."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from llmbench.cells import Cell, Users
from llmbench.metrics import DepthSpeed
from llmbench.report import markdown, write_report
from llmbench.report.terminal.depth_table import COLUMNS, _row, depth_rows, depths_found
from llmbench.store import RunDir
from llmbench.verdict.judging import results
from tests.report.synthetic import grid, write_run

TESTS = ["pp128", "pp128 @ d128", "tg32 @ d128", "tg32 @ d256"]


@pytest.fixture
def deep(run_path: Path) -> RunDir:
    """A run of one model at two depths."""
    shape = Users(1, 5, depth=True)
    return write_run(run_path, [Cell("tiny", tokens, 32, shape) for tokens in (128, 256)])


def test_each_phase_has_a_row_for_each_depth(deep: RunDir) -> None:
    rows = depth_rows(results(deep))
    assert [(row[0], row[1]) for row in rows] == [("tiny", test) for test in TESTS]
    assert [row[2].startswith("≥ ") for row in rows] == [True, False, False, False]
    assert {row[5] for row in rows} == {"5"}


def test_a_rate_that_noise_hides_is_told_as_a_bound() -> None:
    speed = DepthSpeed("prefill", 128, 128, 5, tokens_per_s=9e6, low=300.0)
    assert _row("tiny", speed) == ("tiny", "pp128 @ d128", "≥ 300", "300 to –", "–", "5")
    unknown = DepthSpeed("decode", 32, 128, 1, tokens_per_s=None)
    assert _row("tiny", unknown)[2:4] == ("–", "–")


def test_the_terminal_shows_them_in_one_table(deep: RunDir) -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(*depths_found(results(deep)))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["speed", "at", "depth"] in lines
    assert [line[1:4] for line in lines if line[:1] == ["tiny"]][2] == ["tg32", "@", "d128"]


def test_cells_of_a_grid_are_no_depths(run_path: Path) -> None:
    assert list(depths_found(results(write_run(run_path, grid())))) == []


def test_markdown_has_the_table(deep: RunDir) -> None:
    text = markdown(deep)
    assert f"| {' | '.join(COLUMNS)} |" in text
    assert re.search(r"\| tiny \| tg32 @ d256 \| [\d.]+ \| [\d.]+ to [\d.]+ \| – \| 5 \|", text)


def test_the_page_has_the_table_and_the_chart(deep: RunDir) -> None:
    page = write_report(deep).read_text(encoding="utf-8")
    table = page.partition('id="depth"')[2].partition("</table>")[0]
    assert re.findall(r'<td class="left">([^<]+)</td>', table) == TESTS
    assert (deep.charts / "depth.svg").is_file()
