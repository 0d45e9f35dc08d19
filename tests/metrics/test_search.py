import pytest

from llmbench.metrics.search import highest_rate


def search(limit: float, start: float = 1.0, **options: float) -> tuple[float | None, list[float]]:
    """The result of a search on a server that sustains `limit` requests/s, and what it tried."""
    trial = highest_rate(start, **options)  # type: ignore[arg-type]
    tried, rate = [], next(trial)
    try:
        while True:
            tried.append(rate)
            rate = trial.send(rate <= limit)
    except StopIteration as end:
        return end.value, tried


def test_it_doubles_then_halves_the_interval() -> None:
    found, tried = search(5.0)
    assert tried[:5] == [1.0, 2.0, 4.0, 8.0, pytest.approx(32**0.5)]
    assert found is not None
    assert found <= 5.0 < found * 1.05


def test_it_goes_down_from_a_start_that_is_too_high() -> None:
    found, tried = search(0.3, start=2.0)
    assert tried[:4] == [2.0, 1.0, 0.5, 0.25]
    assert found is not None
    assert found <= 0.3 < found * 1.05


def test_a_server_that_meets_no_rate() -> None:
    found, tried = search(0.0, most_trials=6)
    assert (found, len(tried)) == (None, 6)


def test_precision_is_the_callers() -> None:
    assert len(search(5.0, precision=0.5)[1]) < len(search(5.0, precision=0.01)[1])


def test_it_needs_a_rate_to_start_from() -> None:
    with pytest.raises(ValueError, match="a rate above 0 to start from, not 0"):
        next(highest_rate(0.0))
