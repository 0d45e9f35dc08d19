"""Whether a queue grew: the test, its error rates, and what it makes of a summary."""

import pytest

from llmbench.cells import Arrivals, Shape, Trace
from llmbench.metrics.overload import overload
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from tests.metrics.making import cell_run, failure, request, single_file
from tests.perf.overload_error_rates import Queue, alarms


def test_a_queue_that_grows_is_overload_and_its_rate_the_capacity() -> None:
    shape = Arrivals(3.0, "constant")
    summary = summarise(cell_run(shape), table(single_file(3.0, 30.0)))
    assert summary.overloaded
    assert summary.requests_per_s == pytest.approx(2.0, rel=0.02)
    assert summary.in_flight_growth_per_s == pytest.approx(1.0, rel=0.05)
    assert summary.output_tokens_per_s == pytest.approx(10.0, rel=0.02)


def test_a_queue_at_nine_tenths_of_the_capacity_is_none() -> None:
    summary = summarise(cell_run(Arrivals(1.8, "constant")), table(single_file(1.8, 30.0)))
    assert not summary.overloaded
    assert summary.requests_per_s == pytest.approx(1.8, rel=0.02)


def test_an_empty_server_that_fills_up_is_no_overload() -> None:
    records = [request(500.0 * n, ttft_ms=9920.0) for n in range(30)]
    summary = summarise(cell_run(Arrivals(2.0, "constant")), table(records))
    assert not summary.overloaded


def test_what_was_dropped_or_timed_out_was_not_served() -> None:
    served = single_file(2.0, 20.0)
    lost = [failure(500.0 * n + 250.0, kind="timeout", took_ms=3000.0) for n in range(40)]
    trend = overload(table(served + lost), Arrivals(4.0, "constant"))
    assert trend is not None
    assert trend[0].growth_per_s == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("shape", [Trace("t.csv"), Arrivals(0.1)])
def test_no_steady_rate_or_too_few_arrivals_tell_nothing(shape: Shape) -> None:
    assert overload(table(single_file(3.0, 30.0)), shape) is None


@pytest.mark.parametrize(
    ("load", "low", "high"), [(0.9, 0.0, 0.01), (1.2, 0.85, 1.0), (2.0, 1.0, 1.0)]
)
def test_it_is_rarely_wrong(load: float, low: float, high: float) -> None:
    assert low <= alarms(Queue("poisson", "constant", 4, 30), load, 100) <= high
