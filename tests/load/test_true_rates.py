"""Rates of every shape of load against a server of known truth."""

from pathlib import Path

import pytest

from llmbench.cells import Arrivals
from llmbench.config import SimulatedServer
from llmbench.metrics import summarise, table
from tests.load.conftest import simulating
from tests.load.serving import Load, endpoint


@pytest.mark.parametrize("latency_s", [0.5, 2.0])
def test_arrivals_go_on_until_the_server_has_filled_up(
    latency_s: float, load: Load, tmp_path: Path
) -> None:
    """The rate of an open loop is the one asked, however long the server takes to answer."""
    truth = SimulatedServer(ttft_ms=1e3 * latency_s - 7.0, ms_per_token=1)
    shape = Arrivals(20.0, "constant", duration_s=1.0)
    for url in simulating(truth, tmp_path):
        records = load(endpoint(url), shape)
    assert load.cell_run is not None
    summary = summarise(load.cell_run, table(records))
    assert summary.filling_s == pytest.approx(latency_s, rel=0.03)
    assert summary.window_s == pytest.approx(1.0, rel=0.06)
    assert summary.requests_per_s == pytest.approx(20.0, rel=0.03)
    assert summary.output_tokens_per_s == pytest.approx(160.0, rel=0.03)
    assert summary.little_residual == pytest.approx(0.0, abs=0.06)


def test_two_workers_of_an_open_loop_end_together(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Arrivals(40.0, "constant", duration_s=0.5), workers=2)
    last = {r.worker: r.scheduled_ns for r in sorted(records, key=lambda r: r.scheduled_ns)}
    assert abs(last[0] - last[1]) == pytest.approx(25e6)
