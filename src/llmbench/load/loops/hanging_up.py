"""Hangs up on requests in the middle of their answers, where the traffic asks for it.

The client closes the connection, as one does whose user has gone; HTTP/1.1 has no other way.
"""

import asyncio
from time import monotonic_ns

from llmbench.load.decoding import Decoder
from llmbench.load.loops.lane import Lane
from llmbench.load.wire.exchange import Exchange
from llmbench.traffic import HangUps


class HangingUp:
    """Ends exchanges at the moment that their plan says."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._loop = asyncio.get_running_loop()

    def await_moment(self, lane: Lane, hang_ups: HangUps) -> None:
        """Hang up on the request that `lane` has just been given, once it is time."""
        exchange = lane.exchange
        if exchange is None:  # it has failed already
            return
        words = f"the client hung up {hang_ups.moment}, as its traffic asks"
        if hang_ups.after_tokens is not None:
            exchange.watch = TokenWatch(self._decoder, hang_ups.after_tokens, words)
        elif hang_ups.after_ms is not None:
            self._wait(lane, exchange, round(hang_ups.after_ms * 1e6), words)

    def _wait(self, lane: Lane, exchange: Exchange, after_ns: int, words: str) -> None:
        """Look again when the time after the sending may be over; it is sent once there is a
        connection."""
        if lane.exchange is not exchange:  # it has ended by itself
            return
        sent_ns = exchange.sent_ns
        left_ns = after_ns if sent_ns is None else sent_ns + after_ns - monotonic_ns()
        if left_ns > 0:
            self._loop.call_later(left_ns / 1e9, self._wait, lane, exchange, after_ns, words)
        else:
            lane.fail("hung_up", words)


class TokenWatch:
    """Sees after each read whether enough events with tokens have come.

    An event ends with a line break at least, so until there are as many breaks as events are still
    missing, nothing has to be decoded.
    """

    def __init__(self, decoder: Decoder, tokens: int, words: str) -> None:
        self._decoder, self._tokens, self._words = decoder, tokens, words
        self._breaks, self._chunks = 0, 0  # seen so far
        self._look_at = tokens  # breaks

    def __call__(self, exchange: Exchange) -> str | None:
        """The words with which the client hangs up now; None while it goes on reading."""
        for chunk in exchange.chunks[self._chunks :]:
            self._breaks += chunk.count(b"\n") + chunk.count(b"\r")
        self._chunks = len(exchange.chunks)
        if self._breaks < self._look_at:
            return None
        events = self._decoder.token_events(exchange)
        self._look_at = self._breaks + self._tokens - events
        return self._words if events >= self._tokens else None
