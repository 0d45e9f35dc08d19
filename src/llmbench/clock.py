"""The one clock: monotonic nanoseconds inside, one wall-clock anchor for each process.

Intervals come from `time.monotonic_ns`; records carry `Clock.unix_ns`, which is the monotonic
reading placed on the wall clock by an anchor taken once, so a step of the wall clock moves
none of them. The kernel stamps packets with the wall clock: `offset_ns` tells, around each
request, how far apart the two are *now*.
"""

import time


def offset_ns() -> int:
    """Wall clock minus monotonic clock now, to about 100 ns, as a difference of nanoseconds."""
    best, narrowest = 0, 1 << 62
    for _ in range(5):  # more than once only when something came between the readings
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < narrowest:
            best, narrowest = wall - (before + after) // 2, after - before
        if narrowest < 1000:
            break
    return best


class Clock:
    """Monotonic time and its fixed place on the wall clock."""

    def __init__(self, anchor_ns: int | None = None) -> None:
        self.anchor_ns = offset_ns() if anchor_ns is None else anchor_ns

    def monotonic_ns(self) -> int:
        """Now, in nanoseconds of the monotonic clock."""
        return time.monotonic_ns()

    def to_unix_ns(self, monotonic_ns: int) -> int:
        """An instant of the monotonic clock as nanoseconds since the Unix epoch."""
        return monotonic_ns + self.anchor_ns

    def unix_ns(self) -> int:
        """Now, in nanoseconds since the Unix epoch."""
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
