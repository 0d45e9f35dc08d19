import pytest
from msgspec import structs

from llmbench.cells import Arrivals, Ramp, Users
from llmbench.metrics.capacity.curves import (
    Deterioration,
    Point,
    best_latency,
    curve_of,
    findings,
    knee,
    peak,
    sustained,
)
from llmbench.metrics.capacity.ramps import ramp_curve, steady_points
from llmbench.metrics.percentiles import distribution
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.results import CellSummary
from tests.metrics.making import MS, START_NS, back_to_back, cell_run
from tests.perf.knee_error_rates import LADDERS, false_alarms, found, real


def point(
    load: float,
    rate: float,
    latency: float | None,
    tokens: float | None = None,
    errors: float = 0.0,
) -> Point:
    base = summarise(cell_run(), table(back_to_back(3)))
    return Point(
        load,
        structs.replace(
            base,
            requests_per_s=rate,
            output_tokens_per_s=100 * rate if tokens is None else tokens,
            latency_ms=None if latency is None else distribution([latency] * 9),
            error_rate=errors,
        ),
    )


BLOG = [
    point(1, 0.13, 7400),
    point(4, 0.5, 8000),
    point(8, 1.0, 9000),
    point(16, 1.1, 14000),
    point(32, 1.12, 28000),
    point(64, 1.11, 57000),
]


def load(found: Point | None) -> float | None:
    return None if found is None else found.load


def test_best_latency_is_that_of_the_least_load() -> None:
    assert load(best_latency(BLOG)) == 1
    assert load(best_latency([point(1, 0.0, None), point(2, 1.0, 10.0)])) == 2
    assert best_latency([]) is None


def test_sustained_is_the_most_requests_within_twice_the_best_latency() -> None:
    found = findings(BLOG)
    assert (load(found.sustained), found.latency_limit_ms) == (16, 14800.0)
    assert load(sustained(BLOG, Deterioration(factor=1.1))) == 4
    assert load(sustained(BLOG, Deterioration(factor=4.0))) == 32


def test_sustained_ends_at_the_first_load_that_deteriorates() -> None:
    curve = [point(1, 1.0, 10), point(2, 2.0, 30), point(4, 3.0, 10)]
    assert load(sustained(curve)) == 1


def test_failing_loads_are_not_sustained() -> None:
    curve = [point(1, 1.0, 10), point(2, 2.0, 10), point(4, 3.0, 10, errors=0.02)]
    assert load(sustained(curve)) == 2


def test_peak_is_the_most_output_tokens() -> None:
    assert load(peak(BLOG)) == 32
    assert load(peak([point(1, 1.0, 10, tokens=90), point(2, 2.0, 10, tokens=80)])) == 1
    assert peak([point(1, 0.0, None)]) is None


def test_knee_is_where_more_users_bring_little() -> None:
    assert load(knee(BLOG)) == 8


def test_a_straight_line_has_no_knee() -> None:
    assert knee([point(n, float(n), 10) for n in (1, 2, 3, 4)]) is None
    assert knee(BLOG[:2]) is None


def test_a_throughput_that_hardly_changes_has_no_knee() -> None:
    assert knee([point(n, 2.0 + 0.03 * (n % 2), 10) for n in (1, 2, 3, 4, 5)]) is None


def test_a_bend_that_noise_can_make_is_no_knee() -> None:
    """20 loads whose mean step is 5 %: the paper's threshold alone would take a bend of 8 %."""
    assert knee([point(n, n + (1.6 if n == 15 else 0), 10) for n in range(1, 21)]) is None
    assert load(knee([point(n, n + (4 if n == 15 else 0), 10) for n in range(1, 21)])) == 15


def test_a_knee_on_a_flat_top_is_its_beginning() -> None:
    curve = [point(n, rate, 10) for n, rate in ((1, 1.0), (2, 2.0), (4, 2.04), (128, 2.02))]
    assert load(knee(curve)) == 2


@pytest.mark.parametrize("noise", [0.005, 0.03])
@pytest.mark.parametrize("ladder", LADDERS.values(), ids=str)
def test_a_noisy_line_has_a_knee_in_at_most_two_of_a_hundred_runs(
    ladder: tuple[int, ...], noise: float
) -> None:
    assert false_alarms(ladder, noise, 200) <= 0.02


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=str)
def test_a_real_knee_is_found_within_one_step(ladder: tuple[int, ...]) -> None:
    assert all(found(ladder, place, 0.03, 100) >= 0.95 for place in real(ladder))


def test_a_grids_cells_become_a_curve_of_median_repeats() -> None:
    def cell(users: int, rate: float) -> CellSummary:
        one = point(users, rate, 10).summary
        return structs.replace(one, cell=structs.replace(one.cell, shape=Users(users)))

    curve = curve_of([cell(4, 3.0), cell(1, 1.0), cell(4, 9.0), cell(4, 4.0)])
    assert [(p.load, p.requests_per_s) for p in curve] == [(1, 1.0), (4, 4.0)]


def test_an_overloaded_load_is_not_sustained() -> None:
    one = summarise(cell_run(Arrivals(1.0)), table(back_to_back(5)))
    curve = [Point(1.0, one), Point(2.0, structs.replace(one, overloaded=True))]
    assert findings(curve).sustained == curve[0]
    assert findings(curve[1:]).best_latency is None


def test_open_loops_loads_are_rates_and_ramps_have_none() -> None:
    one = point(1, 1.0, 10).summary
    rate = structs.replace(one, cell=structs.replace(one.cell, shape=Arrivals(0.5)))
    ramp = structs.replace(one, cell=structs.replace(one.cell, shape=Ramp((1,), 1.0)))
    assert [p.load for p in curve_of([rate, ramp])] == [0.5]


def test_a_ramp_is_cut_into_its_steps() -> None:
    slow = {"gap_ms": 40.0}
    records = back_to_back(4) + [
        r for u in range(2) for r in back_to_back(4, user=u, start_ms=530.0, **slow)
    ]
    ends = ((1, START_NS + 525 * MS), (2, START_NS + 1400 * MS))
    run = cell_run(Ramp((1, 2), 0.5), step_ends_ns=ends)
    first, second = ramp_curve(run, table(records))
    assert (first.load, first.requests_per_s) == (1, 4 / 0.52)
    assert (second.load, second.summary.in_window) == (2, 8)
    assert second.summary.time_per_token_ms is not None
    assert second.summary.time_per_token_ms.p50 == 40.0


def test_a_step_in_which_not_every_user_was_answered_is_not_steady() -> None:
    ends = ((1, START_NS + 300 * MS), (2, START_NS + 650 * MS))
    run = cell_run(Ramp((1, 2), 0.5), step_ends_ns=ends)
    curve = ramp_curve(run, table(back_to_back(5)))
    assert [step.summary.window_rule for step in curve] == ["steady", "whole"]
    assert [step.requests_per_s for step in curve] == pytest.approx([1 / 0.13, 1 / 0.13])
    assert steady_points(curve) == curve[:1]


def test_the_first_requests_of_later_users_count() -> None:
    """Two users of which the second comes with the second step: its warm-up is the step's work."""
    first = back_to_back(10, user=1)
    second = back_to_back(5, user=2, start_ms=650.0)
    marked = [structs.replace(r, phase="warmup") if r.request == 1 else r for r in first + second]
    ends = ((1, START_NS + 650 * MS), (2, START_NS + 1300 * MS))
    curve = ramp_curve(cell_run(Ramp((1, 2), 0.5), step_ends_ns=ends), table(marked))
    assert [step.requests_per_s for step in curve] == pytest.approx([1 / 0.13, 2 / 0.13])
    assert [step.summary.requests for step in curve] == [4, 10]
