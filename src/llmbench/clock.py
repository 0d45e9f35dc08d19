"""The one clock: it counts monotonic nanoseconds and has one wall-clock anchor for each process.

Intervals come from `time.monotonic_ns`. Records carry `Clock.unix_ns`: the monotonic reading,
placed on the wall clock by an anchor that is taken once, so a step of the wall clock doesn't move
them. The kernel stamps packets with the wall clock; `offset_ns`, read around each request, says
how far apart the two clocks are at that moment.
"""

import time


def offset_ns() -> int:
    """The present difference of wall clock and monotonic clock in ns, exact to about 100 ns."""
    best, narrowest = 0, 1 << 62
    for _ in range(5):  # again only where something came between the readings
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < narrowest:
            best, narrowest = wall - (before + after) // 2, after - before
        if narrowest < 1000:  # ns; two readings without an interruption take some 100
            break
    return best


class Clock:
    """Monotonic time and its fixed place on the wall clock."""

    def __init__(self, anchor_ns: int | None = None) -> None:
        self.anchor_ns = offset_ns() if anchor_ns is None else anchor_ns

    def monotonic_ns(self) -> int:
        """The present time in nanoseconds of the monotonic clock."""
        return time.monotonic_ns()

    def to_unix_ns(self, monotonic_ns: int) -> int:
        """An instant of the monotonic clock as nanoseconds since the Unix epoch."""
        return monotonic_ns + self.anchor_ns

    def unix_ns(self) -> int:
        """The present time in nanoseconds since the Unix epoch."""
        return self.to_unix_ns(self.monotonic_ns())


class FakeClock(Clock):
    """A clock that stands still until it is told to `advance`; for tests."""

    def __init__(self, now_ns: int = 0) -> None:
        super().__init__(anchor_ns=0)
        self.now_ns = now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now_ns += round(seconds * 1e9)
