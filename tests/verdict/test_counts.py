"""What went wrong, held against what went wrong before."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from llmbench.verdict.gate.counts import Share, decide_counts, fisher, newcombe
from llmbench.verdict.gate.samples.baselines import CellSample
from llmbench.verdict.gate.tolerances import TOLERANCES


@pytest.mark.parametrize(
    ("old", "new", "p_value"),
    [
        (Share(0, 500), Share(12, 500), 2.286e-4),
        (Share(3, 10), Share(7, 10), 0.08945),
        (Share(0, 40), Share(0, 40), 1.0),
        (Share(5, 40), Share(0, 40), 1.0),
    ],
)
def test_fishers_exact_test(old: Share, new: Share, p_value: float) -> None:
    assert fisher(old, new) == pytest.approx(p_value, rel=1e-3)
    table = np.array([[new.bad, new.of - new.bad], [old.bad, old.of - old.bad]])
    assert fisher(old, new) == pytest.approx(fisher_exact(table, "greater").pvalue)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """His example: 56 of 70 against 48 of 80, 95 %: 0.0524 to 0.3339 (method 10)."""
    low, high = newcombe(Share(48, 80), Share(56, 70), 0.95)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_counts_that_can_reject_nothing_cost_the_others_nothing() -> None:
    """One cell with failures among eleven without is judged as if it were alone (Tarone)."""
    clean = {"failed": [0, 500], "dropped": [0, 500], "off_length": [0, 500]}

    def cell(failed: int) -> CellSample:
        return CellSample({}, 0, 5, counts=clean | {"failed": [failed, 500]})

    pairs = {f"c{n}": (cell(0), cell(13 if n == 0 else 0)) for n in range(12)}
    failed = [o.cell for o in decide_counts(pairs, TOLERANCES) if o.status == "FAIL"]
    assert failed == ["c0"]
