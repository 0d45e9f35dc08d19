"""How many readings of a server's CPU time are kept, and how close together."""

from itertools import pairwise

from llmbench.servers.cpu_trace import MOST_READINGS, CpuTrace

PERIOD_NS = 50_000_000


def traced(seconds: float) -> CpuTrace:
    """A trace of a server that keeps one core busy, asked as often as it may be due."""
    trace = CpuTrace()
    for now_ns in range(0, round(seconds * 1e9), PERIOD_NS):
        if trace.is_due(now_ns):
            trace.add(now_ns, now_ns)
    return trace


def test_a_short_repeat_is_read_twenty_times_a_second() -> None:
    pairs = traced(5.0).pairs
    assert pairs == tuple((n * PERIOD_NS, n * PERIOD_NS) for n in range(100))


def test_a_long_repeat_is_read_every_200th_of_it_or_more_often() -> None:
    pairs = traced(600.0).pairs
    gaps = {b[0] - a[0] for a, b in pairwise(pairs)}
    assert max(gaps) <= 600e9 / 200
    assert MOST_READINGS / 2 <= len(pairs) <= MOST_READINGS
    assert pairs[0] == (0, 0)
