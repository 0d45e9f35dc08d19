"""From what was seen on the wire to a `RequestRecord`: run after the last byte, never before."""

import zlib
from typing import Literal

import msgspec
from msgspec import Struct

from llmbench.apis import Dialect, Event, frames
from llmbench.clock import Clock
from llmbench.load.stamps import Arrivals, arrivals
from llmbench.load.wire import Exchange, Failure
from llmbench.records import ErrorKind, RequestRecord

FULL_READ_BYTES = 32_768
"""A read with more body than this may have left some of it waiting in the socket."""


class Order(Struct, frozen=True, gc=False):
    """A request that the plan wants made, ready to be sent."""

    user: int
    request: int
    phase: Literal["warmup", "measured"]
    prompt: int
    prompt_tokens: int
    input_tokens: int
    output_tokens: int
    payload: bytes
    stream: bool = True


class Reader:
    """Understands exchanges in one dialect, for one repeat of a cell."""

    def __init__(self, dialect: Dialect, clock: Clock, cell: str, repeat: int, worker: int) -> None:
        self._dialect, self._clock = dialect, clock
        self._cell, self._repeat, self._worker = cell, repeat, worker

    def record(self, order: Order, exchange: Exchange) -> RequestRecord:
        """What happened, judged by DESIGN.md section 4."""
        when = arrivals(exchange)
        answer = Answer()
        failure = exchange.failure or _bad_status(exchange, self._dialect)
        if exchange.status is not None and 200 <= exchange.status < 300:
            problem = self._understand(order, exchange, when, answer)
            failure = _worse(exchange.failure, problem, answer)
        return self._fill(order, exchange, when, answer, failure)

    def last_token_ns(self, exchange: Exchange) -> int | None:
        """Reader's stamp of the last read that held a token so far, for time-outs."""
        answer = Answer()
        seen = [now for _, now, _ in exchange.reads]
        try:
            chunks = _decompressed(exchange)
            ends = _read_ends(exchange.reads, chunks)
            answer.take(b"".join(chunks), self._dialect, ends, seen, seen)
        except (msgspec.DecodeError, zlib.error):
            pass  # an event that is still on its way; its end will tell
        return answer.times_ns[-1] if answer.times_ns else None

    def _understand(
        self, order: Order, exchange: Exchange, when: Arrivals, answer: "Answer"
    ) -> Failure | None:
        """Fill `answer` from the body; what is wrong with it, if anything."""
        try:
            chunks = _decompressed(exchange)
            body = b"".join(chunks)
            if order.stream:
                ends = _read_ends(exchange.reads, chunks)
                answer.take(
                    body, self._dialect, ends, when.times_ns, _emptied(exchange, when, ends)
                )
            else:
                answer.take_whole(self._dialect.whole(body))
        except (msgspec.DecodeError, zlib.error, UnicodeDecodeError) as error:
            return "malformed", f"not {self._dialect.name}: {error}"
        return answer.flaw() if self._dialect.ends_itself else None

    def _fill(
        self,
        order: Order,
        exchange: Exchange,
        when: Arrivals,
        answer: "Answer",
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
        if not order.stream and failure is None:
            last = done
        if failure is None and not (times or answer.tokens_known()):
            failure = "empty", "the response ended well but held no token"
        return RequestRecord(
            cell=self._cell,
            repeat=self._repeat,
            phase=order.phase,
            request=order.request,
            user=order.user,
            worker=self._worker,
            scheduled_ns=unix(exchange.scheduled_ns),
            sent_ns=None if sent is None else unix(sent),
            done_ns=unix(done),
            requested_input_tokens=order.input_tokens,
            requested_output_tokens=order.output_tokens,
            prompt_tokens=order.prompt_tokens,
            prompt_index=order.prompt,
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
            finish_reason=answer.finish_reason,
            http_status=exchange.status,
            error_kind=None if failure is None else failure[0],
            error=None if failure is None else failure[1][:300],
            connect_ns=exchange.connect_ns,
            client_lag_ns=when.lag_ns,
            clock=when.clock,
            clock_step_ns=when.step_ns,
            server_queue_ms=answer.queue_ms,
            server_prompt_ms=answer.prompt_ms,
            server_decode_ms=answer.decode_ms,
        )


class Answer:
    """What the events of one response add up to."""

    def __init__(self) -> None:
        self.times_ns: list[int] = []  # arrival of each event with tokens
        self.tokens: list[int | None] = []
        self.bounded: list[tuple[int, int]] = []  # (event, earliest arrival)
        self.answer_ns: int | None = None
        self.events = 0
        self.ended = False
        self.error: str | None = None
        self.finish_reason: str | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.queue_ms: float | None = None
        self.prompt_ms: float | None = None
        self.decode_ms: float | None = None

    def take(
        self,
        body: bytes,
        dialect: Dialect,
        ends: list[int],
        times_ns: list[int],
        emptied_ns: list[int],
    ) -> None:
        """Add up a streamed body.

        For each read: `ends`, the offset at which its share of the body ends; `times_ns`, when
        it arrived; `emptied_ns`, when the socket had last been empty before it.
        """
        understand = dialect.event
        read, last_read, counted = 0, -1, 0
        for data, end in frames(body, dialect.framing):
            self.events += 1
            event = understand(data)
            total = event.output_tokens
            spoken = event.text or event.reasoning or event.tokens
            if event.finish_reason or event.end or event.error is not None:
                self._note(event)
            elif total is not None:
                if spoken and self.input_tokens is not None:
                    self.output_tokens = total
                else:
                    self._note(event)
            if not spoken:
                continue
            tokens = event.tokens
            if total is not None and tokens is None:
                tokens = total - counted
                if event.cumulative and tokens <= 0:
                    continue
                counted = total
            while ends[read] < end:
                read += 1
            if read == last_read:
                self.bounded.append((len(self.times_ns) - 1, emptied_ns[read]))
            last_read = read
            self.times_ns.append(times_ns[read])
            self.tokens.append(tokens)
            if self.answer_ns is None and not event.reasoning:
                self.answer_ns = times_ns[read]

    def take_whole(self, event: Event) -> None:
        """A body that was not streamed: when its tokens came is not known."""
        self.events = 1
        self._note(event)
        self.ended = True
        if event.text and self.output_tokens is None:
            self.output_tokens = event.tokens

    def flaw(self) -> Failure | None:
        """Why the answer is no success, as far as its events tell."""
        if self.error is not None:
            return "error_event", self.error
        if not self.ended and self.finish_reason is None:
            return "cut", "the stream stopped without its end"
        return None

    def tokens_known(self) -> bool:
        """Whether there are tokens that no event's time tells of."""
        return bool(self.output_tokens)

    def first_earliest_ns(self) -> int:
        """Earliest arrival of the first event with tokens."""
        if self.bounded and self.bounded[0][0] == 0:
            return self.bounded[0][1]
        return self.times_ns[0]

    def counts(self) -> tuple[int, ...]:
        """Tokens of each event; empty when the server doesn't say, or it was one each."""
        known = [count for count in self.tokens if count is not None]
        if len(known) < len(self.tokens) or all(count == 1 for count in known):
            return ()
        return tuple(known)

    def _note(self, event: Event) -> None:
        """Keep what an event says besides text; the last word of each counts."""
        self.ended = self.ended or event.end
        for name in _KEPT:
            value = getattr(event, name)
            if value is not None:
                setattr(self, name, value)


_KEPT = (
    "error", "finish_reason", "input_tokens", "output_tokens", "cached_tokens",
    "queue_ms", "prompt_ms", "decode_ms",
)  # fmt: skip


def _emptied(exchange: Exchange, when: Arrivals, ends: list[int]) -> list[int]:
    """For each read, the latest moment at which the socket was seen empty before it.

    That is when the reader came back from the read before, unless that one was so large that
    it may have left some: then only its own arrival is certain.
    """
    emptied: list[int] = []
    before = exchange.sent_ns or 0
    end_before = 0
    for (_, now, _), at, end in zip(exchange.reads, when.times_ns, ends, strict=True):
        emptied.append(min(before, at))
        before = now if end - end_before < FULL_READ_BYTES else at
        end_before = end
    return emptied


def _read_ends(reads: list[tuple[bytes, int, int]], chunks: list[bytes]) -> list[int]:
    """The offset in the body at which each read's share of it ends."""
    ends: list[int] = []
    done = offset = 0
    for _, _, count in reads:
        while done < count:
            offset += len(chunks[done])
            done += 1
        ends.append(offset)
    return ends


def _decompressed(exchange: Exchange) -> list[bytes]:
    """The body's chunks without their content encoding; asked for is none, some send it."""
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
    """The failure that the status alone tells; None for 2xx."""
    status = exchange.status
    if status is None:
        return "malformed", "no response"
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        where = dict(exchange.headers).get(b"location", b"?").decode(errors="replace")
        return "redirect", f"HTTP {status} to {where}; give the final URL"
    kind: ErrorKind = "http_4xx" if status < 500 else "http_5xx"
    said = dialect.error(b"".join(exchange.chunks))
    return kind, f"HTTP {status}" + (f": {said}" if said else "")


def _worse(wire: Failure | None, body: Failure | None, answer: Answer) -> Failure | None:
    """The failure that explains most: an error that the server told, the wire's, the body's."""
    if answer.error is not None:
        return "error_event", answer.error
    return wire or body
