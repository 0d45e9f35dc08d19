"""The clocks of other machines, by round trips."""

from collections.abc import Callable

from llmbench.clock import FakeClock
from llmbench.load.workers.remote_clocks import AnchorBounds, anchor_bounds

MS = 1_000_000


def answering(
    clock: FakeClock, ahead_ns: int, trips: list[tuple[int, int]]
) -> Callable[[], dict[str, int]]:
    """A machine whose monotonic clock is ahead; each trip takes (there, back) in ms."""
    left = iter(trips)

    def ask() -> dict[str, int]:
        there, back = next(left, (0, 0))
        clock.advance(there / 1e3)
        answer = clock.monotonic_ns() + ahead_ns
        clock.advance(back / 1e3)
        return {"b": answer}

    return ask


def test_one_round_trip_bounds_a_clock_from_both_sides() -> None:
    clock = FakeClock(10**12)
    once = answering(clock, 4000 * MS, [(1, 3)] * 20)
    (bounds,) = anchor_bounds(once, clock).values()
    assert bounds == AnchorBounds(-4001 * MS, -3997 * MS)
    assert (bounds.anchor_ns, bounds.error_ns) == (-3999 * MS, 2 * MS)


def test_the_best_of_both_directions_is_taken() -> None:
    clock = FakeClock(10**12)
    trips = [(1, 9), (9, 2), (5, 5)] + [(20, 20)] * 17
    (bounds,) = anchor_bounds(answering(clock, 4000 * MS, trips), clock).values()
    assert bounds == AnchorBounds(-4001 * MS, -3998 * MS)


def test_a_close_answer_needs_no_second() -> None:
    clock = FakeClock()
    (bounds,) = anchor_bounds(answering(clock, 0, [(0, 1), (500, 500)]), clock).values()
    assert bounds.error_ns == MS // 2
    assert clock.now_ns == MS


def test_a_clock_that_was_stepped_meanwhile_is_where_it_is_now() -> None:
    old, new = AnchorBounds(0, 10), AnchorBounds(100, 120)
    assert old.within(new) == new
    assert old.within(AnchorBounds(5, 20)) == AnchorBounds(5, 10)
