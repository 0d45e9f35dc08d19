"""One clock, and its fake."""

import time

from llmbench.clock import Clock, FakeClock, offset_ns


def test_the_offset_places_monotonic_time_on_the_wall_clock() -> None:
    assert abs(time.monotonic_ns() + offset_ns() - time.time_ns()) < 5_000_000


def test_intervals_are_monotonic_whatever_the_anchor() -> None:
    clock = Clock(anchor_ns=1_000)
    assert clock.to_unix_ns(7) - clock.to_unix_ns(3) == 4
    first = clock.unix_ns()
    assert clock.unix_ns() >= first


def test_the_fake_moves_only_when_told() -> None:
    clock = FakeClock()
    assert clock.unix_ns() == 0
    clock.advance(1.5)
    assert clock.monotonic_ns() == 1_500_000_000
