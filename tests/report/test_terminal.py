"""The table at the end of a session, and the same as Markdown."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from llmbench.cells import Arrivals, Cell, Limits, Ramp
from llmbench.report import highlights, markdown
from llmbench.report.markdown import summary
from llmbench.report.terminal.cell_table import caption, columns_of, rows_of, terminal_table
from llmbench.report.terminal.highlights import rates_found
from llmbench.results import CellResult, Distribution, Problem
from llmbench.verdict.judging import results
from tests.report.synthetic import grid, write_run


@pytest.fixture
def judged(run_path: Path) -> list[CellResult]:
    return results(write_run(run_path, grid(users=(1, 4)), requests_per_user=25))


def printed(found: list[CellResult], width: int = 120) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(terminal_table(found))
    return capture.get()


def test_a_cell_is_a_row(judged: list[CellResult]) -> None:
    rows = rows_of(judged)
    assert [row[:3] for row in rows] == [
        ["tiny-in128-out32-users1", "25", "0"],
        ["tiny-in128-out32-users4", "100", "0"],
    ]
    assert all(row[-1] == "valid" for row in rows)


def test_percentiles_with_a_wide_interval_are_marked(judged: list[CellResult]) -> None:
    one, four = rows_of(judged)
    assert one[3:6] == ["~54.8", "~67.0", "~10.1"]
    assert four[3:6] == ["~55.9", "~66.7", "13.6"]


def test_the_caption_says_what_the_mark_means_and_how_wide_it_is(judged: list[CellResult]) -> None:
    assert caption(judged) == (
        "times in ms; ~ 95 % interval wider than the metric's tolerance, "
        "as in TTFT p50 54.8 (51.6 to 57.4)"
    )
    sure = Distribution(9, 5.0, 0.0, *[5.0] * 14)
    summary = msgspec.structs.replace(judged[0].summary, ttft_ms=sure, time_per_token_ms=sure)
    assert caption([msgspec.structs.replace(judged[0], summary=summary)]) == "times in ms"


def test_the_caption_says_where_there_are_too_few_requests_for_an_interval(
    judged: list[CellResult],
) -> None:
    few = Distribution(2, 5.0, 0.0, *[5.0] * 6)
    summary = msgspec.structs.replace(judged[0].summary, ttft_ms=few)
    shown = caption([msgspec.structs.replace(judged[0], summary=summary)])
    assert shown.endswith("as in TTFT p50 5.00 (too few for an interval, n = 2)")


def test_a_simulated_run_says_so_above_the_table(judged: list[CellResult]) -> None:
    assert "SIMULATED: these numbers are not a real server's" in printed(judged)


def test_where_some_are_simulated_their_verdict_says_so(judged: list[CellResult]) -> None:
    real = msgspec.structs.replace(
        judged[0], summary=msgspec.structs.replace(judged[0].summary, simulated=False)
    )
    assert [row[-1] for row in rows_of([real, judged[1]])] == ["valid", "valid, SIMULATED"]


def test_an_invalid_cell_names_its_rules(judged: list[CellResult]) -> None:
    broken = msgspec.structs.replace(judged[0], problems=(Problem("client_lag", "late"),))
    assert rows_of([broken])[0][-1].startswith("INVALID client_lag")


def test_repeats_are_one_row(run_path: Path) -> None:
    found = results(write_run(run_path, grid(users=(1,)), repeats=3))
    (row,) = rows_of(found)
    assert row[:2] == ["tiny-in128-out32-users1 ×3", "15"]


def test_it_fits_eighty_columns(judged: list[CellResult]) -> None:
    assert max(map(len, printed(judged, 80).splitlines())) <= 80
    assert "req/s" in printed(judged, 80)


def test_no_cell_is_said(judged: list[CellResult]) -> None:
    assert "No cell ended." in printed([])


def test_markdown_has_the_table_and_the_reasons(run_path: Path) -> None:
    text = markdown(write_run(run_path, grid(users=(1,)), failure=1.0))
    assert "### llmbench: run" in text
    assert "**SIMULATED**" in text
    assert "| cell | requests | failed |" in text
    assert "- `tiny-in128-out32-users1`: " in text


def test_markdown_of_a_killed_run_says_so(run_path: Path) -> None:
    assert "did not end by itself" in markdown(write_run(run_path, grid(), killed=True))


def test_importing_the_report_loads_nothing_heavy() -> None:
    code = (
        "import sys, llmbench.report; "
        "print([m for m in ('pandas', 'pyarrow', 'matplotlib', 'seaborn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_highlights_of_a_ramp_and_of_sizes(run_path: Path) -> None:
    ramp = Cell("tiny", 128, 32, Ramp((1, 2, 4), 3.0))
    sizes = grid(users=(1, 4), limits=[Limits(1.0, 2**30), Limits(2.0, 2**30)])
    found = [str(item) for item in highlights(write_run(run_path, [ramp, *sizes]))]
    assert any(line.startswith("knee (Kneedle): ") for line in found)
    assert any(line.startswith("ideal: ") and " GiB (" in line for line in found)


OVERLOADED = Problem("overloaded", "the server could not sustain 3 requests/s")


def test_an_overloaded_cell_says_so_in_the_table_and_below(judged: list[CellResult]) -> None:
    beyond = msgspec.structs.replace(judged[0], overloaded=OVERLOADED)
    assert rows_of([beyond])[0][-1] == "OVERLOADED"
    assert "the server could not sustain 3 requests/s" in summary("run", [beyond])


def test_the_highest_rate_is_told_with_the_capacity(judged: list[CellResult]) -> None:
    def at(rate_per_s: float, overloaded: Problem | None) -> CellResult:
        cell = Cell("tiny", 128, 32, Arrivals(rate_per_s))
        known = msgspec.structs.replace(judged[0].summary, cell=cell, requests_per_s=2.1)
        return msgspec.structs.replace(judged[0], summary=known, overloaded=overloaded)

    assert list(rates_found([at(2.0, None), at(3.0, OVERLOADED)])) == [
        "tiny-in128-out32: highest rate that meets the SLO: 2 requests/s (of 2 tried; overloaded "
        "from 3/s on, doing 2.10 requests/s)"
    ]


def test_the_cpu_time_of_a_token_has_a_column_where_an_engine_computes_on_the_cpu(
    judged: list[CellResult],
) -> None:
    computing = msgspec.structs.replace(
        judged[0].summary, computes_on_cpu=True, cpu_per_token_ms=12.34
    )
    rows = rows_of([msgspec.structs.replace(judged[0], summary=computing), judged[1]])
    assert [row[-2] for row in rows] == ["12.3", "–"]
    assert "CPU/" not in printed(judged)
    assert "CPU/" in printed([msgspec.structs.replace(judged[0], summary=computing)])


def test_the_use_of_the_memorys_bandwidth_has_a_column_where_it_is_known(
    judged: list[CellResult],
) -> None:
    told = msgspec.structs.replace(judged[0].summary, bandwidth_use=0.4567)
    results = [msgspec.structs.replace(judged[0], summary=told), judged[1]]
    assert columns_of(results)[-2:] == ("MBU %", "verdict")
    assert [row[-2] for row in rows_of(results)] == ["45.7", "–"]
    assert "MBU %" not in columns_of(judged)


def test_images_per_second_stand_where_requests_have_images(judged: list[CellResult]) -> None:
    with_images = msgspec.structs.replace(judged[0].summary, images_per_s=7.25)
    seeing = msgspec.structs.replace(judged[0], summary=with_images)
    assert columns_of([seeing, judged[1]])[-3:] == ("images/s", "requests/s", "verdict")
    assert [row[-3] for row in rows_of([seeing, judged[1]])] == ["7.25", "–"]
    assert "images/s" not in columns_of(judged)
