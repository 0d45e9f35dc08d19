"""Makes a worker's process look like one on another machine: both its clocks are elsewhere."""

import time

WALL_NS, MONOTONIC_NS = 4_000_000_000, 1_000_000_000_000


def shift_clocks() -> None:
    """Put this process's monotonic clock ahead by 1,000 s, and its wall clock by 4 s as far as it
    places the monotonic one. Before anything imports `llmbench`.

    The kernel's stamps of packets are this host's; what compares them with the wall clock is left.
    """
    here_ns = time.monotonic_ns
    time.monotonic_ns = lambda: here_ns() + MONOTONIC_NS

    from llmbench import clock

    own = clock.offset_ns
    anchored = clock.Clock.__init__

    def start(self: clock.Clock, anchor_ns: int | None = None) -> None:
        anchored(self, own() + WALL_NS if anchor_ns is None else anchor_ns)

    clock.Clock.__init__ = start  # type: ignore[method-assign]
