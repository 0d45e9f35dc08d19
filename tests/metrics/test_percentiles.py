import math

import numpy as np
import pytest
from scipy.special import betainc

from llmbench.metrics.percentiles import (
    certifiable,
    distribution,
    interval_of,
    samples_needed,
)


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


def test_samples_needed_of_many_above_the_limit_are_the_fewest() -> None:
    needed, over = samples_needed(50, 5_000), 5_000
    chances = [betainc(n - over, over + 1, 0.5) for n in (needed - 1, needed)]
    assert chances[0] > 0.01 >= chances[1]


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


@pytest.mark.parametrize(
    ("percentile", "n", "ranks"),
    [
        (50, 5, (None, None)),  # half of all runs of five: P(all below) = 3 % > 2.5 %
        (50, 6, (1, 6)),
        (50, 100, (40, 61)),
        (90, 100, (84, 96)),
        (95, 71, (63, None)),
        (95, 72, (64, 72)),
        (99, 459, (450, 459)),
        (99, 1000, (983, 997)),
    ],
)
def test_the_ranks_of_an_interval_are_binomial(
    percentile: float, n: int, ranks: tuple[int | None, int | None]
) -> None:
    assert interval_of(percentile, n) == ranks


def test_a_percentile_comes_with_its_interval() -> None:
    found = distribution(range(1, 101))
    assert found is not None
    assert (found.p50_low, found.p50, found.p50_high) == (40.0, 50.5, 61.0)
    assert (found.p90_low, found.p90_high) == (84.0, 96.0)


def test_few_samples_leave_an_interval_open() -> None:
    found = distribution(range(1, 31))
    assert found is not None
    assert (found.p95_low, found.p95_high) == (26.0, None)


def test_pooled_gaps_are_as_uncertain_as_their_requests_are_few() -> None:
    """Six requests of a thousand equal gaps each know no more than six gaps."""
    pooled = distribution([float(n) for n in range(1, 7) for _ in range(1000)], independent=6)
    assert pooled is not None
    assert (pooled.n, pooled.p50_low, pooled.p50_high) == (6000, 1.0, 6.0)
    assert pooled.p90_high is None


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Exponential samples: 60 % of plain p99 estimates of 459 are too low, the interval is not."""
    random, truth = np.random.default_rng(20261122), math.log(100)
    runs = [distribution(random.exponential(size=459)) for _ in range(2000)]
    held = [r.p99_low <= truth <= r.p99_high for r in runs if r and r.p99_low and r.p99_high]
    assert len(held) == 2000
    assert 0.94 < np.mean(held) < 0.98
