"""The reads in which a body came."""

from itertools import accumulate

from llmbench.load.wire.exchange import Exchange

FULL_READ_BYTES = 32_768
"""A read with more body than this may have left some of it waiting in the socket.

It is half of `connection.READ_BYTES`, as the rest of a full read may be framing.
"""


class BodyReads:
    """For each read of `exchange`: where its share of the body ends, and when it arrived.

    `chunks` are those of the exchange, or what they are without their content encoding.
    """

    def __init__(self, exchange: Exchange, chunks: list[bytes], times_ns: list[int]) -> None:
        self._exchange = exchange
        self.times_ns = times_ns
        offsets = list(accumulate(map(len, chunks), initial=0))
        self.ends = [offsets[count] for _, _, count in exchange.reads]

    def emptied_ns(self, read: int) -> int:
        """The latest moment before `read` at which the socket was seen empty.

        That is the moment at which the reader came back from the read before, unless that one was
        so large that it may have left some data: then only its own arrival is certain. Before the
        last read it is the last look that found the socket empty, if that came later.
        """
        exchange, ends = self._exchange, self.ends
        before = read_before = exchange.sent_ns or 0
        if read:
            before = read_before = exchange.reads[read - 1][1]
            if ends[read - 1] - (ends[read - 2] if read > 1 else 0) >= FULL_READ_BYTES:
                before = self.times_ns[read - 1]
        if read == len(ends) - 1 and exchange.polled_ns > read_before:
            before = exchange.polled_ns
        return min(before, self.times_ns[read])
