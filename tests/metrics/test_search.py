from collections.abc import Callable

import pytest

from llmbench.metrics.capacity.search import Border, Trial, find_border
from tests.perf.search_accuracy import CASES, hits, unsteady


def search(
    trial: Callable[[float], Trial], start: float = 1.0, **options: float
) -> tuple[Border, list[float]]:
    """The answer of a search, and what it tried."""
    searching = find_border(start, **options)  # type: ignore[arg-type]
    tried, load = [], next(searching)
    try:
        while True:
            tried.append(load)
            load = searching.send(trial(load))
    except StopIteration as end:
        return end.value, tried


def up_to(limit: float) -> Callable[[float], Trial]:
    return lambda load: Trial(load <= limit)


def test_it_doubles_halves_the_interval_and_tries_both_ends_again() -> None:
    found, tried = search(up_to(5.0))
    assert tried[:5] == [1.0, 2.0, 4.0, 8.0, 5.66]
    assert found.met is not None
    assert found.missed is not None
    assert found.met <= 5.0 < found.missed <= 1.051 * found.met
    assert tried[-2:] == [found.met, found.missed]


def test_it_goes_down_from_a_start_that_is_too_high() -> None:
    found, tried = search(up_to(0.3), start=2.0)
    assert tried[:4] == [2.0, 1.0, 0.5, 0.25]
    assert found.met is not None
    assert found.met <= 0.3 < found.met * 1.06


def test_an_overloaded_trial_says_where_to_look() -> None:
    def overloaded(load: float) -> Trial:
        return Trial(load <= 5.0, None if load <= 5.0 else 5.0)

    found, tried = search(overloaded, start=40.0)
    assert tried[:2] == [40.0, 4.75]
    assert len(tried) <= 8
    assert found.met == pytest.approx(5.0, rel=0.05)


def test_a_load_above_the_capacity_is_not_met_though_its_trials_are_too_short_to_show_it() -> None:
    def patient(load: float) -> Trial:
        return Trial(load <= 5.6, None if load <= 5.6 else 5.0)

    found, _ = search(patient, start=4.0)
    assert found.met is not None
    assert 4.75 <= found.met <= 5.1
    assert found.missed is not None
    assert found.missed <= 5.6
    assert found.capacity == 5.0  # which alone says that it is missed
    assert search(up_to(5.0))[0].capacity is None


def test_users_are_whole_and_neighbours() -> None:
    found, tried = search(up_to(37), whole=True)
    assert (found.met, found.missed) == (37, 38)
    assert all(load == int(load) for load in tried)


def test_a_lucky_trial_is_found_out() -> None:
    """The first trial of 8 passes by chance: its repeats say that it is beyond the border."""
    seen: list[float] = []

    def trial(load: float) -> Trial:
        seen.append(load)
        return Trial(load <= 5.0 or (load == 8.0 and seen.count(8.0) == 1))

    found, _ = search(trial, most_trials=40)
    assert found.met is not None
    assert found.met <= 5.0


def test_a_server_that_meets_no_load() -> None:
    found, tried = search(up_to(0.0), most_trials=6)
    assert (found.met, len(tried), found.confirmed) == (None, 6, True)


def test_one_user_too_many_is_the_end_of_it() -> None:
    found, tried = search(up_to(0), whole=True)
    assert (found.met, found.missed) == (None, 1)
    assert len(tried) <= 2


def test_it_needs_a_load_to_start_from() -> None:
    with pytest.raises(ValueError, match="a load above 0 to start from, not 0"):
        next(find_border(0.0))


def test_a_late_trial_ends_it_with_what_is_known_to_ten_percent() -> None:
    def late(load: float) -> Trial:
        return Trial(load <= 5.0, late=True)

    found, tried = search(late)
    assert tried == [1.0, 2.0, 4.0, 8.0, 5.66, 4.76, 5.19]
    assert (found.met, found.missed, found.confirmed) == (4.76, 5.19, False)
    confirmed, _ = search(up_to(5.0))
    assert confirmed.confirmed


def test_it_needs_no_second_trials_on_a_host_where_these_would_not_agree() -> None:
    share, _, _ = unsteady(50, None)
    in_time, _, most = unsteady(50, 7)
    assert in_time >= share - 0.1
    assert most <= 9


@pytest.mark.parametrize("name", CASES)
def test_it_is_near_a_known_answer(name: str) -> None:
    share, _ = hits(name, 10)
    assert share >= 0.9
