"""Time-outs, checked in one sweep over the lanes so that they cost a read nothing.

Only decoding shows whether a *token* came. So an exchange is looked into when its reads alone
allow that a limit was passed, which is rare.
"""

from collections.abc import Iterable
from time import monotonic_ns

from llmbench.load.decoding import Decoder
from llmbench.load.loops.lane import Lane
from llmbench.load.wire.exchange import Exchange, Failure
from llmbench.records import ClientSettings


class Timeouts:
    """The limits of `client` on the first token, between tokens and on the whole request."""

    def __init__(self, client: ClientSettings, decoder: Decoder) -> None:
        self._decoder = decoder
        self._stream = client.stream
        self._first_s = client.first_token_timeout_s
        self._between_s = client.between_tokens_timeout_s
        self._whole_s = client.request_timeout_s
        shortest_s = min(self._first_s, self._between_s, self._whole_s)
        self.period_s = min(max(shortest_s / 20, 0.01), 0.25)

    def sweep(self, lanes: Iterable[Lane]) -> None:
        """Fail each request that has passed a limit."""
        now = monotonic_ns()
        for lane in lanes:
            exchange = lane.exchange
            if exchange is None or exchange.sent_ns is None:
                continue
            failure = self._passed(exchange, exchange.sent_ns, now)
            if failure is not None:
                lane.fail(*failure)

    def _passed(self, exchange: Exchange, sent_ns: int, now: int) -> Failure | None:
        waited_s = (now - sent_ns) / 1e9
        if waited_s > self._whole_s:
            return "timeout", f"not over within {self._whole_s:g} s"
        if not self._stream:
            return None
        if exchange.seen_ns is None and waited_s > self._first_s:
            self._look(exchange)
            if exchange.seen_ns is None:
                return "first_token_timeout", f"no token within {self._first_s:g} s"
        since_ns = exchange.seen_ns or sent_ns
        if (now - since_ns) / 1e9 > self._between_s and exchange.reads:
            self._look(exchange)
            if exchange.seen_ns is not None and (now - exchange.seen_ns) / 1e9 > self._between_s:
                return "stalled", f"no token for {self._between_s:g} s in the middle of the answer"
        return None

    def _look(self, exchange: Exchange) -> None:
        """Decode what has come so far, to find when its last token came."""
        exchange.seen_ns = self._decoder.last_token_ns(exchange)
