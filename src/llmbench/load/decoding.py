"""Turns what was seen on the wire into a `RequestRecord`, always after the last byte has come."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec

from llmbench.apis import (
    UNREADABLE,
    ChatDialect,
    Dialect,
    Event,
    Headers,
    PoolingDialect,
    frames,
    no_stream,
    salvaged,
    unframed_error,
)
from llmbench.clock import Clock
from llmbench.load.answer import Answer
from llmbench.load.body_reads import BodyReads
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.exchange import Exchange, Failure
from llmbench.load.wire.stamps import ReadTimes, read_times
from llmbench.records import ErrorKind, RequestRecord

_ONLY_THE_END = ("cut", "reset", "stalled", "timeout")


class Decoder:
    """Understands exchanges in one dialect, for one repeat of a cell."""

    def __init__(
        self,
        dialect: Dialect,
        clock: Clock,
        cell: str,
        repeat: int,
        worker: int,
        mask: Callable[[str], str] = str,
        wrong: Callable[[str], str | None] | None = None,
    ) -> None:
        self._wrong = wrong  # what is wrong with an answer's text, where it shall conform
        self._dialect, self._clock, self._mask = dialect, clock, mask
        self._chat = dialect if isinstance(dialect, ChatDialect) else None
        self._pooling = dialect if isinstance(dialect, PoolingDialect) else None
        self._cell, self._repeat, self._worker = cell, repeat, worker

    def record(self, planned: PlannedRequest, exchange: Exchange) -> RequestRecord:
        """What happened; docs/dialects.md says what counts as a failure, and of which kind."""
        when = read_times(exchange)
        answer = Answer()
        failure = exchange.failure or _bad_status(exchange, self._dialect)
        if exchange.status is not None and 200 <= exchange.status < 300:
            problem = self._understand(planned, exchange, when, answer)
            impossible = answer.drop_impossible()
            if impossible is not None:
                problem = problem or ("malformed", f"the server counted {impossible}")
            failure = _worst(exchange, problem, answer)
            if failure is None and self._wrong is not None and answer.emptiness() is None:
                wrong = self._wrong(self.said(planned, exchange))
                failure = None if wrong is None else ("invalid_output", wrong)
        return self._fill(planned, exchange, when, answer, failure)

    def said(self, planned: PlannedRequest, exchange: Exchange) -> str:
        """The text of an answer that ended well; only conversations need it, to go on."""
        chat = self._chat
        assert chat is not None
        body = b"".join(_decompressed(exchange))
        events = [d for d, _ in frames(body, chat.framing)] if planned.stream else [body]
        text = list[str]()
        for event in events:
            with suppress(*UNREADABLE):
                text.append(chat.said(event))
        return "".join(text)

    def last_token_ns(self, exchange: Exchange) -> int | None:
        """The reader's stamp of the last read that held a token so far, for time-outs."""
        answer = self._so_far(exchange)
        return answer.times_ns[-1] if answer.times_ns else None

    def token_events(self, exchange: Exchange) -> int:
        """The number of events with tokens that have come so far."""
        return len(self._so_far(exchange).times_ns)

    def _so_far(self, exchange: Exchange) -> Answer:
        answer = Answer()
        seen = [now for _, now, _ in exchange.reads]
        try:
            chunks = _decompressed(exchange)
            answer.take(b"".join(chunks), self._dialect, BodyReads(exchange, chunks, seen))
        except (msgspec.DecodeError, zlib.error):
            pass  # part of an event is still on its way
        return answer

    def _understand(
        self, planned: PlannedRequest, exchange: Exchange, when: ReadTimes, answer: Answer
    ) -> Failure | None:
        """Fill `answer` from the body and return what is wrong with it, if anything is."""
        body = b""
        try:
            chunks = _decompressed(exchange)
            body = b"".join(chunks)
            if planned.stream:
                reads = BodyReads(exchange, chunks, when.times_ns)
                answer.take(body, self._dialect, reads)
                if _has_trailer(exchange):
                    answer.close_with_trailer(reads)
                answer.error = answer.error or unframed_error(body)
                if not answer.events and answer.error is None and body.strip():
                    return no_stream(body) or answer.flaw(ends_itself=True)
            else:
                event = self._whole(body, dict(exchange.headers))
                answer.take_whole(event)
                if event.text and (flaw := self._flaw(body, len(planned.inputs))):
                    return "malformed", flaw
        except (msgspec.DecodeError, zlib.error) as error:
            if planned.stream and (failure := no_stream(body)):
                return failure
            if planned.stream and body and not body.endswith((b"\n", b"\r")):
                return "cut", "the stream stopped in the middle of an event"
            return "malformed", f"not {self._dialect.name}: {error}"
        return answer.flaw(ends_itself=self._dialect.ends_itself)

    def _whole(self, body: bytes, headers: Headers) -> Event:
        """What a response that was not streamed says."""
        understand = partial(self._dialect.whole, headers=headers)
        try:
            return understand(body)
        except UNREADABLE:
            return salvaged(body, understand)

    def _flaw(self, body: bytes, inputs: int) -> str | None:
        """What is wrong with an answer that should hold a result for each input."""
        return None if self._pooling is None else self._pooling.flaw(body, inputs)

    def _fill(
        self,
        planned: PlannedRequest,
        exchange: Exchange,
        when: ReadTimes,
        answer: Answer,
        failure: Failure | None,
    ) -> RequestRecord:
        unix = self._clock.to_unix_ns
        sent = exchange.sent_ns
        times = answer.times_ns
        done = exchange.done_ns
        if exchange.failure is None and when.times_ns:
            done = when.times_ns[-1]
        base = sent or 0
        last = times[-1] if times else None
        if not planned.stream and failure is None:
            last = done
        failure = failure or answer.emptiness()
        by_events = failure is None and answer.count_events()
        return RequestRecord(
            cell=self._cell,
            repeat=self._repeat,
            phase=planned.phase,
            request=planned.request,
            user=planned.user,
            worker=self._worker,
            scheduled_ns=unix(exchange.scheduled_ns),
            sent_ns=None if sent is None else unix(sent),
            done_ns=unix(done),
            requested_input_tokens=planned.input_tokens,
            requested_output_tokens=planned.output_tokens,
            prompt_tokens=planned.prompt_tokens,
            prompt_index=planned.prompt,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cached_tokens=answer.cached_tokens,
            first_token_ns=unix(times[0]) if times else None,
            first_token_earliest_ns=unix(answer.first_earliest_ns()) if times else None,
            first_answer_ns=None if answer.answer_ns is None else unix(answer.answer_ns),
            last_token_ns=None if last is None else unix(last),
            first_event_tokens=answer.tokens[0] if answer.tokens else None,
            event_ns=tuple([at - base for at in times]),
            event_tokens=answer.counts(),
            bounded_events=tuple([(i, at - base) for i, at in answer.bounded]),
            events=answer.events,
            counted_by="events" if by_events else "server",
            finish_reason=None if answer.finish_reason is None else answer.finish_reason[:40],
            http_status=exchange.status,
            error_kind=None if failure is None else failure[0],
            error=None if failure is None else self._mask(failure[1])[:300],
            connect_ns=exchange.connect_ns,
            paused_ns=exchange.paused_ns,
            replica=exchange.replica,
            resent=exchange.resent,
            client_lag_ns=when.lag_ns,
            clock=when.clock,
            clock_step_ns=when.step_ns,
            server_queue_ms=answer.queue_ms,
            server_prompt_ms=answer.prompt_ms,
            server_decode_ms=answer.decode_ms,
            server_total_ms=answer.total_ms,
            drafted_tokens=answer.drafted_tokens,
            accepted_tokens=answer.accepted_tokens,
            verify_steps=answer.verify_steps,
            traffic=planned.traffic,
            traffic_class=planned.traffic_class,
            conversation=planned.conversation,
            turn=planned.turn,
            prefix_tokens=planned.prefix_tokens,
            think_ns=planned.think_ns,
            inputs=len(planned.inputs) or None,
            images=planned.images,
        )


def _has_trailer(exchange: Exchange) -> bool:
    """Whether the last read held bytes after the body, the end of HTTP's chunked coding."""
    if exchange.failure is not None or not exchange.reads:
        return False
    return any(
        name == b"transfer-encoding" and value.lower() == b"chunked"
        for name, value in exchange.headers
    )


def _decompressed(exchange: Exchange) -> list[bytes]:
    """The body's chunks without content encoding, which some servers use although none is asked."""
    encoding = b""
    for name, value in exchange.headers:
        if name == b"content-encoding":
            encoding = value.lower()
    if encoding in (b"", b"identity"):
        return exchange.chunks
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        raise zlib.error(f"content-encoding {encoding.decode(errors='replace')} was not asked for")
    expand = zlib.decompressobj(wbits=47 if encoding != b"deflate" else 15).decompress
    return [expand(chunk) for chunk in exchange.chunks]


def _bad_status(exchange: Exchange, dialect: Dialect) -> Failure | None:
    """The failure that the status alone shows; None for 2xx."""
    status = exchange.status
    if status is None:
        return "malformed", "no response"
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        where = dict(exchange.headers).get(b"location", b"?").decode(errors="replace")
        return "redirect", f"HTTP {status} to {where}; give the final URL"
    kind: ErrorKind = "http_4xx" if status < 500 else "http_5xx"
    message = dialect.error(b"".join(exchange.chunks))
    return kind, f"HTTP {status}" + (f": {message}" if message else "")


def _worst(exchange: Exchange, body: Failure | None, answer: Answer) -> Failure | None:
    """The failure that explains most: the server's own words, else the wire's, else the body's.

    An answer that came whole remains a success if only the end of the connection went wrong.
    """
    if answer.error is not None:
        return "error_event", answer.error
    wire = exchange.failure
    if wire is not None and wire[0] in _ONLY_THE_END and body is None and answer.is_whole:
        return None
    return wire or body
