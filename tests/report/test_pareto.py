"""Tokens/s for each user against tokens/s for each GPU or core, and its front."""

from pathlib import Path

import pandas as pd
import pytest

from llmbench.cells import Limits
from llmbench.config import DockerServer
from llmbench.report.charts import pareto
from llmbench.report.read import RunData, read_run
from llmbench.report.run_curves import curves_of
from tests.report.synthetic import grid, model, write_run

SERVER = DockerServer(image="i", command=("c",), port=80, cores=2, memory="4g", instances=2)


def points(*rows: tuple[str, float, float, bool]) -> pd.DataFrame:
    """Configuration, tokens/s of a user, tokens/s of a core, whether it was served."""
    table = pd.DataFrame(rows, columns=["config", "each_user", "each_unit", "served"])
    return table.assign(usd=1 / table["each_unit"])


def test_the_front_is_what_no_served_point_beats_in_both() -> None:
    table = points(
        ("a", 50, 10, True),
        ("a", 40, 30, True),
        ("b", 45, 9, True),  # beaten by the first
        ("b", 40, 20, True),  # beaten by the second
        ("b", 20, 60, True),
        ("b", 10, 99, False),  # misses the SLO
    )
    assert pareto.front(table, "each_unit").index.tolist() == [0, 1, 4]
    assert pareto.front(table, "usd", least=True).index.tolist() == [0, 1, 4]


@pytest.fixture
def run(run_path: Path) -> RunData:
    cells = grid(users=(1, 4, 16))
    return read_run(write_run(run_path, cells, configs=[model(server=SERVER)]))


def test_cores_are_those_of_all_instances(run: RunData) -> None:
    table = pareto.data(run, curves_of(run))
    rates = run.merged["output_tokens_per_s"]
    assert table["users"].tolist() == [1, 4, 16]
    assert table["unit"].tolist() == ["core"] * 3
    assert table["each_unit"].tolist() == pytest.approx((rates / 4).tolist())
    gaps = run.merged["time_per_token_ms_p50"]
    assert table["each_user"].tolist() == pytest.approx((1000 / gaps).tolist())
    assert table["served"].tolist() == [True, True, False]


def test_its_title_is_of_the_best_point_that_meets_the_slo(run: RunData) -> None:
    chart = pareto.chart(run, curves_of(run), "SIMULATED")
    assert chart is not None
    assert chart.title.endswith("for 1M tokens (in 128, out 32, 4 users)")
    labels = [axis.get_xlabel() for axis in chart.figure.axes]
    assert labels == ["output tokens/s for each core", "US dollars for 1M tokens"]


def test_without_cores_or_gpus_there_is_no_chart(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid(users=(1, 4)), configs=[model(price=None)]))
    assert pareto.chart(data, curves_of(data), "") is None


def test_of_many_configurations_only_the_front_is_numbered(run_path: Path) -> None:
    limits = [Limits(cores=cores) for cores in range(1, 7)]
    cells = grid(users=(1, 4), limits=limits)
    data = read_run(write_run(run_path, cells, configs=[model(server=SERVER)]))
    curves = curves_of(data)
    chart = pareto.chart(data, curves, "")
    assert chart is not None
    assert "the Pareto front, whose points are numbered by users" in chart.alt
    best = pareto.front(pareto.data(data, curves), "each_unit")
    numbers = [text for text in chart.figure.axes[0].texts if text.get_text().isdigit()]
    assert 0 < len(numbers) <= len(best) < 12
