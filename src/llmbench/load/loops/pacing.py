"""How long the loop rests before each poll, so that the tokens of many streams are read in one
round: that saves a fifth of what a token costs, and moves no stamp, for stamps are the kernel's.
"""

import asyncio
from collections.abc import Iterable

from llmbench.load.loops.lane import Lane
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.polling import poller_of
from llmbench.records import RequestRecord

REST_S = 0.001
FEWEST_STREAMS = 32
FEWEST_READS = 8
GAP_IN_RESTS = 10
"""A rest is at most this part of the time between the tokens of nearly every stream, so that no
two of them come to be read together."""
BOUNDED_SHARE = 0.01
"""Where more token events than this share a read with a later one, there is no rest any more."""


class Pacing:
    """Sets the rest by what the streams under way look like; none where that isn't known."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._poller = poller_of(loop)
        self._events = self._bounded = 0

    def count(self, record: RequestRecord) -> None:
        """Take note of how many of the events of `record` are bounded; the last one often is,
        by the end of the message that comes with it."""
        last = len(record.event_ns) - 1
        self._events += last + 1
        self._bounded += sum(event < last for event, _ in record.bounded_events)

    def look(self, lanes: Iterable[Lane]) -> None:
        """Set the rest anew; called a few times a second."""
        if self._poller is not None:
            self._poller.rest_s = REST_S if self._can_rest(lanes) else 0.0

    def _can_rest(self, lanes: Iterable[Lane]) -> bool:
        if self._bounded > BOUNDED_SHARE * self._events:
            return False
        found = (gap_s(lane.exchange) for lane in lanes if lane.exchange is not None)
        gaps = sorted(gap for gap in found if gap is not None)
        return len(gaps) >= FEWEST_STREAMS and gaps[len(gaps) // 20] >= GAP_IN_RESTS * REST_S


def gap_s(exchange: Exchange) -> float | None:
    """Mean time between the reads of an answer; None where it is too early to tell, or where the
    stamps are the reader's own."""
    reads = exchange.reads
    if len(reads) < FEWEST_READS or not reads[-1][0]:
        return None
    return (reads[-1][1] - reads[0][1]) / (len(reads) - 1) / 1e9
