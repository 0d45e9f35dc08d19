"""The rule of the gate on hand-made repeats; its error rates: tests/perf/gate_error_rates.py."""

from math import log1p

import pytest

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.decisions import Decision, Policy, decide
from llmbench.verdict.gate.stopping import after_stopping, settled

SPREAD = (-0.01, -0.005, 0.0, 0.005, 0.01)  # five repeats with 0.8 % noise
LIMIT = log1p(0.03)
ALIKE = Policy(launch_allowance=0.0)  # launches don't differ: one of them shows all


def contrast(
    shift: float,
    cell: str = "a",
    old: tuple[float, ...] = SPREAD,
    new: tuple[float, ...] = SPREAD,
    metric: str = "ttft",
) -> Contrast:
    return Contrast(cell, metric, old, tuple(v + log1p(shift) for v in new), LIMIT)


def one(shift: float, **fields: tuple[float, ...]) -> Decision:
    return decide([contrast(shift, **fields)], ALIKE)[0]  # type: ignore[arg-type]


def test_no_change_passes() -> None:
    outcome = one(0.0)
    assert (outcome.status, outcome.shift) == ("PASS", 0.0)


def test_a_clear_change_for_the_worse_fails() -> None:
    outcome = one(0.10)
    assert outcome.status == "FAIL"
    assert outcome.shift == pytest.approx(log1p(0.10))
    assert outcome.near < outcome.shift < outcome.far


def test_a_change_for_the_better_passes() -> None:
    assert one(-0.20).status == "PASS"


def test_a_change_within_the_tolerance_passes_however_sure_it_is() -> None:
    exact = tuple(v / 100 for v in SPREAD)
    outcome = one(0.02, old=exact, new=exact)
    assert outcome.status == "PASS"
    assert outcome.p_value < 1e-6


def test_a_change_at_the_tolerance_is_inconclusive() -> None:
    assert one(0.032).more_repeats == 53
    outcome = one(0.031)
    assert (outcome.status, outcome.more_repeats) == ("INCONCLUSIVE", None)


def test_noise_makes_it_inconclusive_and_says_how_many_repeats_would_tell() -> None:
    loud = tuple(10 * v for v in SPREAD)
    outcome = one(0.10, old=loud, new=loud)
    assert outcome.status == "INCONCLUSIVE"
    assert outcome.more_repeats == 4


def test_equal_repeats_of_a_simulated_server_are_told_apart() -> None:
    still = (0.0,) * 5
    assert one(0.0, old=still, new=still).status == "PASS"
    assert one(0.05, old=still, new=still).status == "FAIL"


def test_two_repeats_alone_know_too_little() -> None:
    outcome = one(0.10, old=(-0.01, 0.01), new=(-0.01, 0.01))
    assert (outcome.status, outcome.low_power) == ("INCONCLUSIVE", True)
    assert outcome.more_repeats == 1


def test_a_single_repeat_is_judged_by_the_noise_of_the_baseline() -> None:
    assert one(0.30, new=(0.0,)).status == "FAIL"
    assert one(0.0, new=(0.0,)).low_power


def test_a_shift_that_the_other_cells_share_is_no_proof_of_one_cell() -> None:
    loud = tuple(3 * v for v in SPREAD)

    def p_value(of_others: float) -> float:
        others = [contrast(of_others, f"c{c}", loud, loud) for c in range(5)]
        return decide([contrast(0.03, "a", loud, loud), *others], ALIKE)[0].p_value

    assert p_value(0.0) == pytest.approx(0.0300, abs=1e-4)
    assert p_value(0.02) == pytest.approx(0.264, abs=1e-3)
    assert p_value(0.10) == p_value(0.02)  # the host is given 2 %, no more


def test_a_change_of_all_cells_fails_all_of_them() -> None:
    outcomes = decide([contrast(0.10, f"c{c}") for c in range(6)], ALIKE)
    assert [o.status for o in outcomes] == ["FAIL"] * 6


def test_nothing_to_decide() -> None:
    assert decide([]) == []


def background() -> dict[str, list[tuple[float, ...]]]:
    return {"ttft": [SPREAD] * 5}


@pytest.mark.parametrize(("shift", "known"), [(0.0, True), (0.15, True), (0.032, False)])
def test_repeats_stop_when_the_cell_is_decided(shift: float, known: bool) -> None:
    made = [contrast(shift, new=SPREAD[1:4])]
    assert settled(made, background(), cells=12, policy=ALIKE) is known


def test_repeats_never_stop_before_the_third() -> None:
    assert not settled([contrast(0.0, new=SPREAD[1:3])], background(), cells=12)
    assert not settled([], background(), cells=12)


def test_cells_that_stopped_at_different_repeats_get_half_the_error_rate() -> None:
    equal = [contrast(0.0, "a"), contrast(0.0, "b")]
    assert after_stopping(equal) == Policy()
    assert after_stopping([*equal, contrast(0.0, "c", new=SPREAD[:3])]) == Policy(looks=2)
