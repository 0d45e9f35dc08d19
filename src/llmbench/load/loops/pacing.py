"""Sets how long the loop rests before each poll, so that a round reads tokens of many streams.

This saves a fifth of what a token costs. It moves no stamp, as the stamps are the kernel's.
"""

import asyncio
from collections.abc import Iterable

from llmbench.load.loops.lane import Lane
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.polling import poller_of
from llmbench.records import RequestRecord

REST_S = 0.001  # a twentieth of a token's time of 20 ms
FEWEST_STREAMS = 32  # with fewer, a rest collects hardly more than one token
FEWEST_READS = 8  # of an answer, before its mean gap is believed
GAP_IN_RESTS = 10
"""Nearly every stream must have this many rests of time between its tokens, so that no two of
them are read together."""
BOUNDED_SHARE = 0.01
"""The loop no longer rests once more than this share of token events share a read with a later
one."""


class Pacing:
    """Sets the rest by the streams under way; without knowledge of them there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._poller = poller_of(loop)
        self._events = self._bounded = 0

    def count(self, record: RequestRecord) -> None:
        """Note how many of the events of `record` are bounded, apart from the last one.

        The last one often is, by the end of the message that comes with it.
        """
        last = len(record.event_ns) - 1
        self._events += last + 1
        self._bounded += sum(event < last for event, _ in record.bounded_events)

    def look(self, lanes: Iterable[Lane]) -> None:
        """Set the rest anew, a few times a second."""
        if self._poller is not None:
            self._poller.rest_s = REST_S if self._can_rest(lanes) else 0.0

    def _can_rest(self, lanes: Iterable[Lane]) -> bool:
        if self._bounded > BOUNDED_SHARE * self._events:
            return False
        means = (gap_s(lane.exchange) for lane in lanes if lane.exchange is not None)
        gaps = sorted(gap for gap in means if gap is not None)
        return len(gaps) >= FEWEST_STREAMS and gaps[len(gaps) // 20] >= GAP_IN_RESTS * REST_S


def gap_s(exchange: Exchange) -> float | None:
    """The mean time between the reads of an answer.

    It is None after too few reads, and if the stamps are the reader's own.
    """
    reads = exchange.reads
    if len(reads) < FEWEST_READS or not reads[-1][0]:
        return None
    return (reads[-1][1] - reads[0][1]) / (len(reads) - 1) / 1e9
