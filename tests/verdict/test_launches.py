"""Launches as replicates: their variance, what it does to the verdict, and how it is told."""

from math import exp, log1p

import pytest
from msgspec import structs

from llmbench.metrics import launch_spread
from llmbench.verdict.gate.comparing import judge_samples
from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.decisions import Decision, decide
from llmbench.verdict.gate.launches import Part, satterthwaite
from llmbench.verdict.gate.overall import ALL_CELLS, overall
from llmbench.verdict.gate.samples.baselines import CellSample, Sample
from llmbench.verdict.gate.samples.disturbed import calm
from llmbench.verdict.gate.wording import lines
from tests.perf.launch_error_rates import APART, NOISES, ONE, THREE, fails

LAUNCHES = (0, 0, 1, 1, 2, 2)
APART_BY_2 = (-0.02, -0.02, 0.0, 0.0, 0.02, 0.02)  # three launches whose repeats are equal


def contrast(shift: float, cell: str = "a", spread: float = 1.0) -> Contrast:
    """Three launches of two repeats on each side; `spread` 1 is 2 % from launch to launch."""
    old = tuple(spread * v for v in APART_BY_2)
    new = tuple(v + log1p(shift) for v in old)
    return Contrast(cell, "ttft", old, new, log1p(0.03), LAUNCHES, LAUNCHES)


def one(shift: float, spread: float = 1.0) -> Decision:
    return decide([contrast(shift, spread=spread)])[0]


def test_equal_repeats_of_launches_apart_are_no_proof() -> None:
    outcome = one(0.06)
    assert (outcome.status, outcome.more_repeats) == ("INCONCLUSIVE", None)
    assert outcome.more_launches is not None
    assert one(0.10, spread=0.1).status == "FAIL"
    assert one(0.0, spread=0.1).status == "PASS"


def test_the_interval_is_students_over_the_launches() -> None:
    """Variance 0.02² of a launch, 4 degrees of freedom: t = 1.533 at 80 %."""
    outcome = one(0.0)
    error = (0.02**2 * 2 / 3 * 3.14159 / 3) ** 0.5
    assert outcome.far == pytest.approx(1.533 * error, rel=1e-3)
    assert outcome.near == pytest.approx(-outcome.far)


def test_what_cells_share_in_their_launches_is_no_proof_of_all_of_them() -> None:
    """A launch moves all cells alike, so twelve cells are not twelve proofs."""
    outcomes = decide([contrast(0.06, f"c{n}") for n in range(12)])
    assert {o.status for o in outcomes} == {"INCONCLUSIVE"}
    lone = decide([contrast(0.06, "a"), *(contrast(0.0, f"c{n}") for n in range(11))])
    assert lone[0].p_value < 1e-6  # of one cell alone the launches explain nothing


def test_the_replicate_of_all_cells_together_is_the_launch() -> None:
    (row,) = overall([contrast(0.1, f"c{n}") for n in range(3)])
    assert (row.cell, row.old_launches, row.new_launches) == (ALL_CELLS, LAUNCHES, LAUNCHES)
    assert row.old == pytest.approx(APART_BY_2)


def test_a_slow_launch_is_not_set_aside_as_disturbed() -> None:
    slow = structs.replace(contrast(0.0), new=(0.0, 0.0, 0.0, 0.0, 0.3, 0.3))
    assert calm([slow])[0].new == slow.new


def test_satterthwaites_freedom_lies_between_those_of_the_parts() -> None:
    import numpy as np

    parts = [Part(np.array([1.0]), np.array([4.0])), Part(np.array([1.0]), np.array([np.inf]))]
    error, freedom = satterthwaite(parts)
    assert (error[0] ** 2, freedom[0]) == (pytest.approx(2.0), pytest.approx(16.0))


def sample(name: str, factor: float, launches: list[int]) -> Sample:
    values: list[float | None] = [50 * factor * exp(v) for v in (0.0, 0.004, -0.004, 0.002)]
    cell = CellSample({"ttft": values}, 20, 4, launches=launches)
    return Sample(name, "2026-11-26T12:00:00Z", "abc", False, {}, {"a": cell})


def test_a_side_of_one_launch_is_marked_and_has_an_allowance() -> None:
    old, new = sample("main", 1.0, [0, 0, 1, 1]), sample("now", 1.08, [0, 0, 0, 0])
    headline, row, note = lines(judge_samples(old, new))
    assert headline.startswith("INCONCLUSIVE: now against main: 0 FAIL, 1 INCONCLUSIVE (1 BEYOND")
    assert row.endswith(
        "two launches of the same server may differ by that; more launches would tell"
    )
    assert note == (
        "note: now rests on one launch, which can't show how far launches of the same server lie "
        "apart: no change FAILs that launches with a standard deviation of 3% explain "
        "(--llm-launch-allowance); --llm-launches 3 on both sides measures it"
    )
    assert judge_samples(old, sample("now", 1.25, [0, 0, 0, 0])).state == "FAIL"


def test_several_launches_on_both_sides_need_no_allowance() -> None:
    sides = sample("main", 1.0, [0, 0, 1, 1]), sample("now", 1.0, [0, 0, 1, 1])
    verdict = judge_samples(*sides)
    assert [row.launches for row in verdict.comparisons] == [(2, 2)]
    assert lines(verdict)[1:] == []


def test_the_spread_is_split_between_launches_and_repeats() -> None:
    values = [(0, 1.0), (0, exp(0.02)), (1, exp(0.1)), (1, exp(0.12))]
    spread = launch_spread(values)
    assert spread is not None and spread.within is not None
    assert spread.within == pytest.approx(0.02 / 2**0.5)
    assert spread.between == pytest.approx((0.1**2 / 2 - 0.02**2 / 4) ** 0.5)
    assert launch_spread(values[:2]) is None
    each_its_own = launch_spread([values[0], values[2]])
    assert each_its_own is not None and each_its_own.within is None


@pytest.mark.parametrize("design", [THREE, ONE])
def test_unchanged_sessions_stay_green_where_launches_differ(design: object) -> None:
    """The worst rows of docs/verdict.md: 3 % from launch to launch, common and of each cell."""
    assert isinstance(design, type(THREE))
    for apart in (APART[3], APART[6]):
        assert fails(NOISES[1], apart, design, 100) <= 0.02


def test_with_three_launches_a_slower_cell_is_caught_where_launches_differ() -> None:
    assert fails(NOISES[0], APART[2], THREE, 40, "one", 0.10) >= 0.9
