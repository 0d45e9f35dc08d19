"""Keeps readings of a server's CPU time, close enough to know it at both edges of a window."""

READ_PERIOD_S = 0.05
"""The least time between two readings; one takes less than 0.1 ms."""

MOST_READINGS = 400
"""So many are kept: then every other one goes, and they come half as often.

They are never further apart than a 200th of the time, or `READ_PERIOD_S`.
"""


class CpuTrace:
    """Pairs (instant, CPU time used until then) in ns, from the trace's first reading on."""

    def __init__(self) -> None:
        self._pairs: list[tuple[int, int]] = []
        self._period_ns = round(READ_PERIOD_S * 1e9)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The readings that are kept, first and last among them."""
        return tuple(self._pairs)

    def is_due(self, now_ns: int) -> bool:
        """Whether the last reading is old enough for the next one, to half of the least period."""
        slack_ns = round(READ_PERIOD_S * 1e9 / 2)
        return not self._pairs or now_ns - self._pairs[-1][0] >= self._period_ns - slack_ns

    def add(self, now_ns: int, cpu_ns: int) -> None:
        """Keep one more reading."""
        self._pairs.append((now_ns, cpu_ns))
        if len(self._pairs) > MOST_READINGS:
            del self._pairs[1::2]
            self._period_ns *= 2
