import math

import pytest

from llmbench.metrics.percentiles import certifiable, distribution, samples_needed


@pytest.mark.parametrize(
    ("percentile", "over", "needed"),
    [
        (50, 0, 7),
        (50, 1, 11),
        (50, 5, 22),
        (90, 0, 44),
        (90, 1, 64),
        (90, 2, 81),
        (95, 0, 90),
        (95, 1, 130),
        (95, 10, 398),
        (97, 0, 152),
        (99, 0, 459),
        (99, 1, 662),
        (99, 10, 2010),
    ],
)
def test_samples_needed_are_mlperfs(percentile: float, over: int, needed: int) -> None:
    assert samples_needed(percentile, over) == needed


def test_a_percentile_is_certifiable_from_that_many_samples_on() -> None:
    assert not certifiable(99, 458)
    assert certifiable(99, 459)


def test_percentiles_interpolate_linearly() -> None:
    found = distribution([10.0, 20.0, 30.0, 40.0])
    assert found is not None
    assert (found.p50, found.p90, found.p99) == pytest.approx((25.0, 37.0, 39.7))
    assert (found.n, found.mean, found.min, found.max) == (4, 25.0, 10.0, 40.0)
    assert found.stdev == pytest.approx(12.909944487358056)


def test_unknown_values_do_not_count() -> None:
    found = distribution([math.nan, 3.0, math.nan])
    assert found is not None
    assert (found.n, found.p99, found.stdev) == (1, 3.0, 0.0)


@pytest.mark.parametrize("values", [[], [math.nan]])
def test_nothing_known_has_no_distribution(values: list[float]) -> None:
    assert distribution(values) is None
