"""Places the kernel's wall-clock stamps on the monotonic clock.

The two clocks' offset is taken at the request's start and end. Linux slews both clocks alike
(adjtimex steers the one timekeeper under them), so between two readings only a step of the wall
clock moves their offset. Then the kernel's stamps mean nothing, and the reader's are used.
"""

import struct
from operator import sub
from typing import Literal, NamedTuple

from llmbench.load.wire.exchange import Exchange

STEP_NS = 100_000
"""An offset that moved by more than this was stepped; its reading is exact to a microsecond."""

MOST_LAG_NS = 1_000_000_000
"""An end that the kernel puts longer than this before its reading has another clock's stamp."""

_unpack = struct.Struct("qq").unpack


class ReadTimes(NamedTuple):
    """The arrival of each read's last segment, in nanoseconds of the monotonic clock."""

    times_ns: list[int]
    lag_ns: int | None  # longest from arrival to reading; None: not known
    clock: Literal["kernel", "reader"]
    step_ns: int


def read_times(exchange: Exchange) -> ReadTimes:
    """The arrival of each read of `exchange`."""
    reads = exchange.reads
    step = exchange.offset_done_ns - exchange.offset_sent_ns
    seen = [now for _, now, _ in reads]
    stamps = [stamp for stamp, _, _ in reads]
    if abs(step) > STEP_NS:
        return ReadTimes(seen, None, "reader", step)
    if not reads or b"" in stamps:
        return ReadTimes(seen, None, "reader", 0)
    offset = exchange.offset_sent_ns
    raw = struct.unpack(f"{2 * len(reads)}q", b"".join(stamps))
    times = [s * 1_000_000_000 + ns - offset for s, ns in zip(raw[::2], raw[1::2], strict=True)]
    lags = list(map(sub, seen, times))
    if min(lags) < 0:  # the clocks' offset is exact to a fraction of a microsecond
        times = list(map(min, seen, times))
    return ReadTimes(times, max(0, *lags), "kernel", 0)


def ended_ns(exchange: Exchange) -> int:
    """The arrival of the end of the message, on the monotonic clock.

    It is cheap to compute, as the next request's schedule needs it.
    """
    if exchange.failure is not None or not exchange.reads or not exchange.reads[-1][0]:
        return exchange.done_ns
    seconds, nanoseconds = _unpack(exchange.reads[-1][0])
    at: int = seconds * 1_000_000_000 + nanoseconds - exchange.offset_done_ns
    return at if 0 <= exchange.done_ns - at < MOST_LAG_NS else exchange.done_ns
