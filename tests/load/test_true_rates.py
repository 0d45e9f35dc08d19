"""Rates of every shape of load against a server of known truth."""

import re
from pathlib import Path

import pytest

from llmbench.cells import Arrivals, Ramp
from llmbench.config import SimulatedServer
from llmbench.metrics import ramp_curve, steady_points, summarise, table
from llmbench.verdict import judged_step
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
    assert summary.filling_s == pytest.approx(latency_s, abs=0.3)
    assert summary.window_s == pytest.approx(1.0, abs=0.2)
    assert summary.requests_per_s == pytest.approx(20.0, rel=0.03)
    assert summary.output_tokens_per_s == pytest.approx(160.0, abs=8.0)  # an answer more or less
    assert summary.little_residual == pytest.approx(0.0, abs=0.06)


def test_two_workers_of_an_open_loop_end_together(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Arrivals(40.0, "constant", duration_s=0.5), workers=2)
    last = {r.worker: r.scheduled_ns for r in sorted(records, key=lambda r: r.scheduled_ns)}
    assert abs(last[0] - last[1]) == pytest.approx(25e6)


@pytest.mark.parametrize(("latency_s", "workers"), [(0.05, 1), (0.5, 1), (1.5, 1), (0.75, 2)])
def test_a_ramps_steps_tell_the_truth_whatever_the_latency(
    latency_s: float, workers: int, load: Load, tmp_path: Path
) -> None:
    """Steps of 0.5 s: from a tenth to three times as long is what a request takes."""
    truth = SimulatedServer(ttft_ms=1e3 * latency_s - 7.0, ms_per_token=1)
    shape = Ramp((2, 4, 8), step_s=0.5, stop_when_flat=False)
    for url in simulating(truth, tmp_path):
        records = load(endpoint(url), shape, workers=workers, warmup_per_user=1)
    assert load.cell_run is not None
    curve = ramp_curve(load.cell_run, table(records))
    assert [point.load for point in curve] == [2, 4, 8]
    for point in curve:
        assert point.summary.window_rule == "steady"
        found = point.summary.latency_ms
        assert found is not None
        assert found.mean == pytest.approx(1e3 * latency_s, rel=0.05, abs=10.0)
        assert point.requests_per_s == pytest.approx(1e3 * point.load / found.mean, rel=0.05)


def test_a_ramp_on_a_full_server_shows_its_capacity_and_stops(load: Load, tmp_path: Path) -> None:
    """Two slots of 0.4 s: no more than 5 requests/s, whatever the users."""
    truth = SimulatedServer(ttft_ms=393, ms_per_token=1, slots=2)
    for url in simulating(truth, tmp_path):
        records = load(endpoint(url), Ramp((1, 2, 4, 8, 16), step_s=0.5), warmup_per_user=1)
    assert load.cell_run is not None
    curve = ramp_curve(load.cell_run, table(records))
    assert [point.load for point in curve] == [1, 2, 4, 8]
    rates = [point.requests_per_s for point in curve]
    assert rates == pytest.approx([2.5, 5.0, 5.0, 5.0], rel=0.05)
    assert "stopped: requests/s stopped rising" in load.cell_run.notes


def test_a_step_that_its_cap_cut_off_is_not_steady(load: Load, tmp_path: Path) -> None:
    for url in simulating(SimulatedServer(ttft_ms=1500, ms_per_token=1), tmp_path):
        shape = Ramp((2, 4), step_s=0.02, stop_when_flat=False)
        records = load(endpoint(url), shape)
    assert load.cell_run is not None
    first, _ = ramp_curve(load.cell_run, table(records))
    result = judged_step(load.cell_run, first)
    told = {problem.rule: problem.message for problem in result.problems}["not_steady"]
    assert re.fullmatch(
        r"the load was never steady: requests took up to 1\.\d+ s, and the step ended before each "
        r"user had been answered several times; hold it for longer",
        told,
    )
    assert steady_points([first]) == []
