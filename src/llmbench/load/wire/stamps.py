"""From the kernel's wall-clock stamps to the monotonic clock.

The two clocks' offset is taken at the request's start and end. Between them it moves a little
(NTP slews by up to 500 ppm: interpolated); more than that is a step of the wall clock, and
then the kernel's stamps mean nothing and the reader's are used.
"""

import struct
from typing import Literal, NamedTuple

from llmbench.load.wire.exchange import Exchange

SLEW_PPM = 1000
STEP_NS = 1_000_000
DRIFT_NS = 500

_unpack = struct.Struct("qq").unpack


class ReadTimes(NamedTuple):
    """When each read's last segment arrived, in nanoseconds of the monotonic clock."""

    times_ns: list[int]
    lag_ns: int | None  # longest from arrival to reading; None: not known
    clock: Literal["kernel", "reader"]
    step_ns: int


def read_times(exchange: Exchange) -> ReadTimes:
    """The arrival of each read of `exchange`."""
    reads = exchange.reads
    sent = exchange.sent_ns or exchange.done_ns
    drift = exchange.offset_done_ns - exchange.offset_sent_ns
    span = max(exchange.done_ns - sent, 1)
    if abs(drift) > STEP_NS + span * SLEW_PPM // 1_000_000:
        return ReadTimes([now for _, now, _ in reads], None, "reader", drift)
    if not reads or not all(stamp for stamp, _, _ in reads):
        return ReadTimes([now for _, now, _ in reads], None, "reader", 0)
    offset = exchange.offset_sent_ns
    raw = struct.unpack(f"{2 * len(reads)}q", b"".join([stamp for stamp, _, _ in reads]))
    times = [s * 1_000_000_000 + ns - offset for s, ns in zip(raw[::2], raw[1::2], strict=True)]
    if abs(drift) > DRIFT_NS:
        times = [at - drift * (at - sent) // span for at in times]
    lags = [now - at for (_, now, _), at in zip(reads, times, strict=True)]
    if min(lags) < 0:  # the clocks' offset is good to a fraction of a microsecond
        times = [min(now, at) for (_, now, _), at in zip(reads, times, strict=True)]
    return ReadTimes(times, max(0, *lags), "kernel", 0)


def ended_ns(exchange: Exchange) -> int:
    """Arrival of the end of the message, on the monotonic clock; cheap, for the next request's
    schedule."""
    if exchange.failure is not None or not exchange.reads or not exchange.reads[-1][0]:
        return exchange.done_ns
    seconds, nanoseconds = _unpack(exchange.reads[-1][0])
    at: int = seconds * 1_000_000_000 + nanoseconds - exchange.offset_done_ns
    return at if 0 <= exchange.done_ns - at < STEP_NS * 1000 else exchange.done_ns
