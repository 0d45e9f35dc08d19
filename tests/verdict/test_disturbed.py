"""Repeats that a neighbour slowed, and how much of a change is seen; rates by fixed seeds."""

import numpy as np
import pytest

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.overall import decide_session
from llmbench.verdict.gate.samples.disturbed import robust_spread, spreads, undisturbed
from tests.perf.gate_error_rates import POLICY, Noise, contrasts, draw, gate, rates

QUIET = (0.0, 0.01, -0.01, 0.005, -0.005)


def test_the_robust_spread_is_qn() -> None:
    """Ten distances, the third smallest is 1: Rousseeuw and Croux's example size of five."""
    assert robust_spread([0.0, 1.0, 2.0, 10.0, 11.0]) == pytest.approx(0.844 * 2.2219)


@pytest.mark.parametrize("count", [5, 10, 11])
def test_the_robust_spread_estimates_the_standard_deviation(count: int) -> None:
    draws = np.random.default_rng(20261122).standard_normal((4000, count))
    assert np.mean([robust_spread(row.tolist()) for row in draws]) == pytest.approx(1.0, abs=0.03)


def test_only_slow_repeats_are_set_aside_and_fewer_than_half() -> None:
    usual = (0.0, 0.01, -0.01, 0.005, -0.005)
    assert undisturbed(usual, 0.01) == usual
    assert undisturbed((*usual[:4], 0.2), 0.01) == usual[:4]
    assert undisturbed((*usual[:4], 0.2), 0.01, keep=True) == (*usual[:4], 0.005)
    assert undisturbed((*usual[:4], -0.2), 0.01) == (*usual[:4], -0.2)
    assert undisturbed((0.0, 0.0, 0.0, 0.5, 0.6, 0.7), 0.01) == (0.0, 0.0, 0.0, 0.5)
    assert undisturbed((0.0, 0.0, 0.0, 0.5), 0.01) == (0.0, 0.0, 0.0, 0.5)  # too few to tell


def test_a_cell_that_is_noisier_on_both_sides_is_not_disturbed() -> None:
    quiet = [Contrast(f"c{n}", "ttft", QUIET, QUIET, 0.05) for n in range(4)]
    loud = Contrast("loud", "ttft", tuple(9 * v for v in QUIET), tuple(9 * v for v in QUIET), 0.05)
    common, *_, own = spreads([*quiet, loud])
    assert common == pytest.approx(1.1 * robust_spread(QUIET))  # ten sides
    assert own == pytest.approx(9 * robust_spread(QUIET))


def test_the_smallest_change_is_caught_in_four_of_five_sessions() -> None:
    random, caught = np.random.default_rng(20261122), 0
    for _ in range(300):
        old, new = (draw(random, Noise(0.03), 5) for _ in range(2))
        told = decide_session(contrasts(old, new), POLICY)[0].smallest
        again, slower = (draw(random, Noise(0.03), 5) for _ in range(2))
        slower[0, 0] += told
        caught += decide_session(contrasts(again, slower), POLICY)[0].status == "FAIL"
    assert caught / 300 == pytest.approx(0.8, abs=0.08)


def test_a_noisy_neighbour_hides_little() -> None:
    """+10 % with 3 % noise, 5 % of the repeats slowed by 10 to 30 %: 45 % before."""
    assert rates(gate, Noise(0.03, "slow"), 150, effect=0.10)[1] >= 0.80
    assert rates(gate, Noise(0.03, "slow"), 150)[0] <= 0.02
