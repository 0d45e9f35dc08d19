"""The classes of a mix at the terminal, on the page and as a chart."""

from pathlib import Path

import pytest
from rich.console import Console

from llmbench.report.charts import against_classes
from llmbench.report.terminal.classes_table import classes_found
from llmbench.results import CellResult
from llmbench.verdict.judging import results
from tests.metrics.mixing import mixed_run


@pytest.fixture
def mixed(tmp_path: Path) -> CellResult:
    (result,) = results(mixed_run(tmp_path, repeats=1))
    return result


def test_the_terminal_shows_a_row_for_each_class(mixed: CellResult) -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(*classes_found([mixed]))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["m-tenants-users1:", "class", "by", "class"] in lines
    row = next(line for line in lines if line[:1] == ["short"])
    assert row[1:10] == ["6", "50.0", "%", "0", "0", "128", "→", "5.00", "50.5"]
    assert row[-3:] == ["100", "%", "undecided"]


def test_the_chart_says_how_far_classes_lie_apart(mixed: CellResult) -> None:
    (draw,) = against_classes.charts([mixed])
    chart = draw()
    assert chart.title == "tenants: TTFT is 50.5 ms for short and 90.9 ms for long (users1)"
    assert list(against_classes.charts([])) == []
