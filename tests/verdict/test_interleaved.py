"""A against B: what the pairs of blocks say, and when it is said."""

import numpy as np
import pytest

from llmbench.verdict import a_opens
from llmbench.verdict.gate.decisions import DEFAULT
from llmbench.verdict.gate.interleaved.deciding import decide_pairs
from llmbench.verdict.gate.interleaved.looks import p_of_looks, reach_of_looks
from llmbench.verdict.gate.interleaved.paired import Pairs, shift_of, trimmed
from tests.perf import ab_error_rates, interleaved_error_rates
from tests.perf.ab_error_rates import Host
from tests.perf.interleaved_error_rates import Runner

FIVE_PERCENT = float(np.log1p(0.05))


def pairs(
    old: list[float], new: list[float], cell: str = "point", seed: int = 1, metric: str = "ttft"
) -> Pairs:
    rounds = tuple(range(1, len(old) + 1))
    opened = tuple(a_opens(seed, number) for number in rounds)
    return Pairs(cell, metric, tuple(old), tuple(new), FIVE_PERCENT, rounds=rounds, a_opened=opened)


@pytest.mark.parametrize("seed", range(5))
def test_four_blocks_give_each_side_the_same_mean_position(seed: int) -> None:
    for first in range(1, 40, 2):
        assert a_opens(seed, first) is not a_opens(seed, first + 1)


def test_the_seed_draws_which_side_opens() -> None:
    orders = {tuple(a_opens(seed, number) for number in range(1, 21)) for seed in range(20)}
    assert len(orders) > 15


def test_a_linear_drift_is_no_change() -> None:
    blocks = iter(np.linspace(0, 0.2, 16).tolist())
    old, new = [], []
    for number in range(1, 9):
        first, second = next(blocks), next(blocks)
        old.append(first if a_opens(1, number) else second)
        new.append(second if a_opens(1, number) else first)
    shift = shift_of(pairs(old, new))
    assert shift.value == pytest.approx(0.0, abs=1e-12)
    assert shift.variance == pytest.approx(0.0, abs=1e-12)


def test_a_pair_that_a_neighbour_spoilt_does_not_count() -> None:
    calm, spoilt = [0.01, 0.02, 0.03, 0.04, 0.05], [0.01, 0.02, 0.03, 0.04, 3.0]
    assert trimmed(np.array(spoilt)) == trimmed(np.array(calm))
    assert trimmed(np.array(calm)).value == pytest.approx(0.03)


def test_fewer_than_two_pairs_of_each_order_decide_nothing() -> None:
    (outcome,) = decide_pairs([pairs([1.0, 1.01, 1.0], [2.0, 2.02, 2.01])])
    assert (outcome.status, outcome.low_power) == ("INCONCLUSIVE", True)
    assert (outcome.near, outcome.far) == pytest.approx((1.0, 1.01))
    assert outcome.more_repeats == 1


def test_what_is_certain_at_the_end_is_not_certain_at_a_first_look() -> None:
    some = [pairs([1.0, 1.01, 1.02, 1.01], [1.2, 1.23, 1.21, 1.22])]
    (only,) = decide_pairs(some)
    (early,) = decide_pairs(some, share=0.05)
    assert (only.status, early.status) == ("FAIL", "INCONCLUSIVE")


def test_at_the_end_a_p_value_is_twice_that_of_an_only_look() -> None:
    t, freedom = np.array([2.0, 3.0]), np.array([10.0, 50.0])
    once = p_of_looks(t, freedom, None)
    assert p_of_looks(t, freedom, 1.0) == pytest.approx(2 * once)
    assert (p_of_looks(t, freedom, 0.3) > 2 * once).all()


def test_the_bound_of_all_looks_is_where_the_p_value_is_the_error() -> None:
    freedom = np.array([8.0])
    for share in (None, 0.3, 1.0):
        reach = reach_of_looks(0.1, freedom, share)
        assert p_of_looks(reach, freedom, share) == pytest.approx(0.1)


def test_a_score_that_is_watched_all_the_time_crosses_as_seldom_as_promised() -> None:
    """Without a change 5 % of sessions ever have a p-value below 5 %, here at 1,000 looks each."""
    random = np.random.default_rng(1)
    share = np.arange(1, 1001) / 1000
    score = np.cumsum(random.standard_normal((2000, 1000)), axis=1) / np.sqrt(1000)
    boundary = reach_of_looks(0.05, np.array([1e9]), 1.0)
    ever = (score > boundary).any(axis=1).mean()
    assert 0.035 < ever < 0.055  # the standard error of 2,000 sessions is 0.5 %
    z = score[:, 99] / np.sqrt(share[99])
    at_a_tenth = p_of_looks(z, np.full(z.shape, 1e9), 0.1)
    assert (at_a_tenth < 0.05).mean() < 1e-3


def test_cells_that_are_alike_say_together_what_none_says_alone() -> None:
    random = np.random.default_rng(5)
    old = random.normal(0, 0.2, (12, 20))
    new = random.normal(0.1, 0.2, (12, 20))
    some = [
        pairs(a.tolist(), b.tolist(), f"point{i}")
        for i, (a, b) in enumerate(zip(old, new, strict=True))
    ]
    failed = [o.contrast.cell for o in decide_pairs(some) if o.status == "FAIL"]
    assert failed == ["all cells"]


def test_a_drift_or_a_walk_hides_nothing() -> None:
    for host in (Host(0.01, drift=0.2), Host(0.01, walk=0.1)):
        assert ab_error_rates.rates(host, 12, 6, 0.1, 20)[1] == 1.0


def test_noise_of_8_percent_over_12_points_is_no_change() -> None:
    wrong, _ = ab_error_rates.rates(Host(0.08), 12, 6, 0.0, 100)
    assert wrong <= 3 * DEFAULT.family_error


def test_5_percent_is_caught_on_a_shared_runner_and_nothing_is_imagined() -> None:
    assert interleaved_error_rates.rates(Runner(), 0.0, 40).failed == 0
    assert interleaved_error_rates.rates(Runner(), 0.05, 40).failed >= 0.8
