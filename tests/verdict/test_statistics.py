import numpy as np
import pytest
from scipy import stats
from scipy.special import polygamma

from llmbench.verdict.gate.statistics import (
    exact_interval,
    hodges_lehmann,
    holm,
    interval_ranks,
    moderated,
    simes,
    trigamma_inverse,
    u_counts,
)


def test_hodges_lehmann_is_the_median_of_all_differences() -> None:
    old, new = np.array([1.0, 2.0, 10.0]), np.array([3.0, 5.0])
    assert float(hodges_lehmann(old, new)) == 1.5  # of -7, -5, 1, 2, 3, 4


def test_one_wild_repeat_moves_the_shift_little() -> None:
    old = np.array([1.0, 1.1, 0.9, 1.0, 1.05])
    wild = np.array([1.0, 1.1, 0.9, 1.0, 9.0])
    assert abs(float(hodges_lehmann(old, wild))) <= 0.05


def test_counts_of_u_are_those_of_all_orders() -> None:
    assert u_counts(2, 2).tolist() == [1, 1, 2, 1, 1]
    assert u_counts(5, 5).sum() == 252


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (4, 7)])
def test_counts_of_u_give_scipys_exact_p_value(n: int, m: int) -> None:
    apart = stats.mannwhitneyu(np.arange(n), np.arange(m) + 100, method="exact")
    assert 2 * u_counts(n, m)[0] / u_counts(n, m).sum() == pytest.approx(apart.pvalue)


@pytest.mark.parametrize(
    ("n", "wanted", "drop", "reached"),
    [
        (3, 0.8, 1, 0.8),
        (3, 0.9, 0, 0.9),
        (5, 0.9, 4, 0.9047619),
        (5, 0.8, 5, 0.8492063),
        (2, 0.9, 0, 2 / 3),
    ],
)
def test_the_interval_is_exact(n: int, wanted: float, drop: int, reached: float) -> None:
    dropped, confidence = interval_ranks(n, n, wanted)
    assert dropped == drop
    assert confidence == pytest.approx(reached)


def test_the_interval_holds_the_true_shift_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    old, new = np.asarray(random.standard_t(2, (2, 4000, 5)), dtype=np.float64)
    low, high, confidence = exact_interval(old, new + 1.0, 0.8)
    held = float(((low <= 1.0) & (high >= 1.0)).mean())
    assert held == pytest.approx(confidence, abs=0.02)


def test_equal_variances_are_pooled_whole() -> None:
    drawn, freedom = moderated(np.array([1.0, 1.2, 0.9, 1.1]), np.full(4, 8.0))
    assert drawn.tolist() == pytest.approx([1.05] * 4)
    assert freedom.tolist() == [32.0] * 4


def test_unequal_variances_keep_most_of_their_own() -> None:
    own = np.array([0.01, 0.02, 1.0, 100.0, 0.5, 30.0])
    drawn, freedom = moderated(own, np.full(6, 8.0))
    assert drawn[0] < 0.2
    assert drawn[3] > 70
    assert 8 < freedom[0] < 12


def test_a_single_variance_is_its_own() -> None:
    drawn, freedom = moderated(np.array([2.0]), np.array([8.0]))
    assert (drawn.tolist(), freedom.tolist()) == ([2.0], [8.0])


@pytest.mark.parametrize("value", [0.01, 0.5, 20.0])
def test_trigamma_inverse(value: float) -> None:
    assert float(polygamma(1, trigamma_inverse(value))) == pytest.approx(value)


def test_holm_steps_down() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_simes_takes_agreement_into_account() -> None:
    assert simes(np.array([0.01, 0.5, 0.9])) == pytest.approx(0.03)
    assert simes(np.array([0.01, 0.01, 0.01])) == pytest.approx(0.01)
