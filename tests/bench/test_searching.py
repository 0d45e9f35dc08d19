"""A search over trials that are made up: what it asks for, and what it does with an INVALID one."""

from pathlib import Path

import pytest
from msgspec import structs

from llmbench.bench.searching import SearchError, TrialWatch, search_load, time_of_search
from llmbench.cells import Arrivals, Cell, Users
from llmbench.clock import FakeClock
from llmbench.journal import Journal
from llmbench.metrics import summarise, table
from llmbench.results import CellResult, Problem
from llmbench.store import RunDir
from llmbench.value_types import Slo
from tests.metrics.making import back_to_back, cell_run

BROKEN = Problem("client_lag", "the client was starved")
SLOW = Problem("slo_p95", "too slow")


def judged(cell: Cell, *faults: Problem, valid: bool = True) -> CellResult:
    summary = structs.replace(summarise(cell_run(), table(back_to_back(3))), cell=cell)
    if not valid:
        return CellResult(summary, problems=faults)
    return CellResult(summary, slo_misses=faults)


def test_each_trial_is_a_cell_and_the_answer_lies_between_two() -> None:
    def trial(cell: Cell) -> CellResult:
        assert isinstance(cell.shape, Users)
        return judged(cell, *([SLOW] if cell.shape.users > 5 else []))

    found = search_load(Cell("tiny", 128, 32, Users(4)), trial)
    assert (found.name, found.unit) == ("tiny-in128-out32-most-users", "users")
    assert (found.met, found.missed) == (5, 6)
    assert found.cells[:2] == ("tiny-in128-out32-users4-trial", "tiny-in128-out32-users8-trial")


def test_a_search_ends_when_another_trial_would_be_over_too_late() -> None:
    clock = FakeClock()

    def trial(cell: Cell) -> CellResult:
        clock.advance(16.0)
        return judged(cell, *([SLOW] if (cell.rate_per_s or 0) > 5.0 else []))

    cell = Cell("tiny", 128, 32, Arrivals(4.0, duration_s=15.0))
    found = search_load(cell, trial, 60.0, clock)
    assert (found.met, found.missed, found.confirmed) == (4.76, 5.19, False)
    assert len(found.cells) == 5


def test_a_search_has_two_minutes_unless_its_trials_are_long() -> None:
    assert time_of_search(Arrivals(4.0, duration_s=15.0), None) == 120
    assert time_of_search(Users(4, 5), None) == 120
    assert time_of_search(Arrivals(4.0, duration_s=60.0), None) is None
    assert time_of_search(Arrivals(4.0, duration_s=60.0), 300.0) == 300


def test_an_invalid_trial_is_tried_again() -> None:
    seen: list[str] = []

    def trial(cell: Cell) -> CellResult:
        seen.append(cell.id)
        if len(seen) == 1:
            return judged(cell, BROKEN, valid=False)
        return judged(cell, *([SLOW] if (cell.rate_per_s or 0) > 5.0 else []))

    found = search_load(Cell("tiny", 128, 32, Arrivals(4.0)), trial)
    assert seen[:2] == ["tiny-in128-out32-rate4-trial"] * 2
    assert found.met == pytest.approx(5.0, rel=0.04)


def test_a_trial_that_stays_invalid_ends_the_search_with_its_reason() -> None:
    cell = Cell("tiny", 128, 32, Arrivals(4.0))
    with pytest.raises(SearchError) as raised:
        search_load(cell, lambda trial: judged(trial, BROKEN, valid=False))
    assert str(raised.value) == (
        "tiny-in128-out32-rate4-trial was INVALID twice, so nobody knows whether it meets the "
        "SLO: the client was starved"
    )


def test_a_hang_up_loses_no_limit_of_a_trial(tmp_path: Path) -> None:
    run, cell = RunDir(tmp_path), Cell("m", 128, 5, Users(1), traffic=None)
    records = [
        structs.replace(record, cell=cell.id, error_kind="hung_up" if number % 2 else None)
        for number, record in enumerate(back_to_back(20))
    ]
    with Journal(run.journal_file(cell.id, 1)) as journal:
        for record in records:
            journal.append(record)
    watch = TrialWatch(run, cell, 1, Slo(ttft_ms={"p95": 1000}), seed=1)
    assert watch() is None
    strict = TrialWatch(run, cell, 1, Slo(ttft_ms={"p95": 1}), seed=1)
    assert (strict() or "").startswith("10 requests are above the TTFT limit of 1 ms already")
