"""Writes one completion: what it sends when the schedule says so, and how it ends."""

from functools import lru_cache
from random import Random

from msgspec import structs

from llmbench.simulator import encoding
from llmbench.simulator.asked import Asked
from llmbench.simulator.completion_job import ClientLine, CompletionJob
from llmbench.simulator.dialects.engine_words import tgi_headers
from llmbench.simulator.dialects.formats import FORMATS
from llmbench.simulator.dialects.oddities import odd
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told

CUT_GAP_NS = 1_000_000
"""The pieces of a cut event are 1 ms apart, so that a client gets each in a read of its own."""

SLOW_GAP_NS = 20_000_000
"""The pieces of a slow head are 20 ms apart, as the fault ``slow-headers`` says."""

MESSAGE = "simulated failure"
GARBAGE = b'{"choices": [{"text": '


@lru_cache(maxsize=512)
def _memo(asked: Asked, manner: Manner) -> dict[int, bytes]:
    """The chunks of single tokens, kept for all requests that ask for the same."""
    return {}


class Streamed:
    """A `schedule.Stream` that sends an event for each token."""

    held = 0

    def __init__(self, job: CompletionJob) -> None:
        manner = job.manner
        self.prompt_tokens = job.asked.prompt_tokens
        self.kv_tokens = job.kv_tokens
        self.keys = job.keys
        self.tokens = job.until
        self.sizes = job.steps()
        self._asked = job.asked
        self._started_ns = job.received_ns
        self._next_sizes = iter(self.sizes)
        self._each = manner.tokens_per_event * manner.events_per_write
        self.step = 1 if self.sizes else self._each
        self._job = job
        self._line = job.line
        self._style = FORMATS[job.asked.dialect]
        self._until = job.until
        self._next = 1
        self._sent_ns: list[int] = []
        self._late_ns: list[int] = []
        self._body = encoding.Body(manner)
        self._held: list[bytes] = []  # by the proxy
        self._random = Random(job.seed) if manner.cut else None
        self._plain = (
            self._each == 1
            and manner.body == "chunked"
            and manner.held_writes == 1
            and not (manner.cut or manner.byte_by_byte or manner.gzip or manner.garbage != "none")
            and not self.sizes
        )
        self._memo = _memo(job.asked, manner) if self._plain else {}

    def begin(self) -> None:
        """Send what comes at once: the head, and perhaps an event without a token."""
        manner = self._job.manner
        length = len(self._everything()) if manner.body == "length" else 0
        head = encoding.stream_head(manner, self._style.framing, length)
        if manner.slow_headers:
            self._line.dribble(encoding.cut_evenly(head, 5), SLOW_GAP_NS)
        else:
            self._line.send(head)
        early = self._early()
        if early:
            self._put(early)

    def started(self, started_ns: int, first_ns: int, cached_tokens: int | None) -> None:
        """Note when it got its slot, and tell what was cached unless the length is told already."""
        self._started_ns = started_ns
        if cached_tokens is None:
            return
        job = self._job
        job.truth.found(job.turn, job.asked.prompt_tokens, cached_tokens)
        if job.manner.body != "length":
            self._asked = structs.replace(job.asked, cached_tokens=cached_tokens)
            self._memo = _memo(self._asked, job.manner) if self._plain else {}

    def emit(self, due_ns: int, now_ns: int) -> bool:
        """Send the tokens that were due at `due_ns`; return whether none are left."""
        first = self._next
        data = self._memo.get(first)
        if data is not None and first < self._until and not self._line.gone:
            self._sent_ns.append(now_ns)
            self._late_ns.append(now_ns - due_ns)
            self._next = first + 1
            self._line.send(data)
            return False
        return self._emit(first, due_ns, now_ns)

    def _emit(self, first: int, due_ns: int, now_ns: int) -> bool:
        """Do all that `emit` must: also tokens that are not in the memo, and the end."""
        if self._line.gone and self._job.manner.notices_hang_ups:
            self._job.ended("gone", first - 1, self._sent_ns)
            self.keys = ()
            return True
        size = next(self._next_sizes, 0) if self.sizes else self._each
        last = min(first + size - 1, self._until)
        if last >= first:
            self._sent_ns.append(now_ns)
            self._late_ns.append(now_ns - due_ns)
            self._next = last + 1
        if last >= self._until:
            told = self._told()
            self._finish(self._tokens(first, last, told), told)
            return True
        tokens = self._tokens(first, last)
        if self._plain:
            self._memo[first] = encoding.chunk(tokens)
        self._put(tokens)
        return False

    def _told(self) -> Told:
        """The account of a stream that is about to end well, where its length allows for one."""
        manner, sent_ns = self._job.manner, self._sent_ns
        if manner.ending != "done" or not sent_ns:
            return None
        true = self._job.accounted(self._started_ns, sent_ns[0], sent_ns[-1], self.sizes)
        return None if manner.body == "length" else self._job.told(true)

    def _early(self) -> bytes:
        """The event that precedes all tokens; empty without one."""
        if not self._job.manner.early_role:
            return b""
        return self._framed(self._style.early(self._asked))

    def _tokens(self, first: int, last: int, told: Told = None) -> bytes:
        """The events of tokens `first` to `last`."""
        asked, manner, total = self._asked, self._job.manner, self._job.total
        if manner.garbage == "event" and first > self._until // 2:
            return self._framed(GARBAGE)
        each = last - first + 1 if self.sizes else manner.tokens_per_event
        spans = [(at, min(at + each - 1, last)) for at in range(first, last + 1, each)]
        events = [
            odd(self._style.event(asked, manner, *span, total, told), manner.odd, span[0])
            for span in spans
        ]
        closing = last == total and not self._style.ending(asked, manner, total)
        opening = self._style.opening(asked, manner) if first == 1 else []
        return b"".join(map(self._framed, opening)) + b"".join(
            self._framed(event, final=closing and place == len(events))
            for place, event in enumerate(events, start=1)
        )

    def _tail(self, told: Told = None) -> bytes:
        """The events after the last token that is sent."""
        job = self._job
        before = b""
        if job.manner.ending == "done":
            ending = self._style.ending(self._asked, job.manner, job.total, told)
            events = [odd(event, job.manner.odd, job.total + 1) for event in ending]
        elif job.manner.ending == "error":
            done = [b"[DONE]"] if job.asked.dialect.startswith("openai") else []
            before = encoding.unlike_an_event(self._style.error(MESSAGE), job.manner)
            events = done if before else [self._style.error(MESSAGE), *done]
        else:
            events = []
        return before + b"".join(
            self._framed(event, final=place == len(events))
            for place, event in enumerate(events, start=1)
        )

    def _everything(self) -> bytes:
        """The whole body; its length may stand in the head."""
        return self._early() + self._tokens(1, self._until) + self._tail()

    def _framed(self, event: bytes, *, final: bool = False) -> bytes:
        style = self._style
        return encoding.framed(
            event, style.framing, self._job.manner, final=final, named=style.named
        )

    def _put(self, data: bytes, *, end: bool = False) -> None:
        """Send a part of the body and, with `end`, what ends it."""
        manner = self._job.manner
        sent = self._body.part(data) if data else b""
        if end:
            sent += self._body.end()
        if manner.held_writes > 1:
            self._held.append(sent)
            if len(self._held) < manner.held_writes and not end:
                return
            sent = b"".join(self._held)
            self._held.clear()
        if manner.byte_by_byte:
            self._line.dribble([sent[at : at + 1] for at in range(len(sent))], 0)
        elif self._random is not None:
            self._line.dribble(encoding.cut_anywhere(sent, self._random), CUT_GAP_NS)
        elif sent:
            self._line.send(sent)

    def _finish(self, tokens: bytes, told: Told) -> None:
        """Send the last `tokens` and end the answer as the manner says."""
        manner = self._job.manner
        whole = manner.ending in ("done", "error", "no-terminator")
        self._put(tokens + self._tail(told), end=whole)
        if self._sent_ns and not (manner.cut or manner.byte_by_byte or manner.slow_headers):
            job = self._job
            job.truth.streamed(job.received_ns, self._sent_ns, self._late_ns, job.turn)
        outcome = "ok" if manner.healthy else outcome_of(manner)
        outcome = "unheard" if self._line.gone else outcome
        self._job.ended(outcome, self._next - 1, self._sent_ns)
        finish_line(self._line, manner, whole=whole)


class Whole:
    """A `schedule.Stream` that sends one body when its last token is due."""

    step = 1

    def __init__(self, job: CompletionJob) -> None:
        self.prompt_tokens = job.asked.prompt_tokens
        self.kv_tokens = job.kv_tokens
        self.keys = job.keys
        self.tokens = job.until
        self.sizes = job.steps()
        self._asked = job.asked
        self._started_ns = self._first_ns = job.received_ns
        self.held = max(0, len(self.sizes or range(job.until)) - 1)
        self._job = job

    def begin(self) -> None:
        """Send nothing, as the whole body comes at the end."""

    def started(self, started_ns: int, first_ns: int, cached_tokens: int | None) -> None:
        """Note when it got its slot, when its first token is there, and what was cached."""
        self._started_ns, self._first_ns = started_ns, first_ns
        if cached_tokens is not None:
            job = self._job
            job.truth.found(job.turn, job.asked.prompt_tokens, cached_tokens)
            self._asked = structs.replace(job.asked, cached_tokens=cached_tokens)

    def emit(self, due_ns: int, now_ns: int) -> bool:
        """Send the body, or as much of it as the manner allows."""
        job, manner = self._job, self._job.manner
        style = FORMATS[job.asked.dialect]
        if job.line.gone:
            job.ended("gone", 0)
            self.keys = ()
            return True
        if manner.ending in ("error", "no-terminator"):
            answer = encoding.page(500, style.error_body(500, MESSAGE))
        else:
            answer = self._answer(now_ns)
        if manner.ending in ("done", "error", "no-terminator"):
            job.line.send(answer)
        elif job.until:
            job.line.send(answer[: len(answer) // 2])
        job.ended("ok" if manner.healthy else outcome_of(manner), job.until)
        whole = manner.ending in ("done", "error", "no-terminator")
        finish_line(job.line, manner, whole=whole)
        return True

    def _answer(self, now_ns: int) -> bytes:
        """The whole answer, with the account where it is told."""
        job, manner = self._job, self._job.manner
        told = job.told(job.accounted(self._started_ns, self._first_ns, now_ns, self.sizes))
        body = FORMATS[job.asked.dialect].whole(self._asked, manner, job.total, told)
        fields = tgi_headers(told, job.total) if told and job.asked.dialect == "tgi" else ()
        return encoding.page(200, odd(body, manner.odd, 1), encoding.JSON, *fields)


def outcome_of(manner: Manner) -> str:
    """A word for what becomes of a request under an unhealthy manner."""
    if manner.ending != "done":
        return manner.ending
    if manner.odd:
        return manner.odd
    return f"malformed {manner.garbage}" if manner.garbage != "none" else f"http {manner.status}"


def finish_line(line: ClientLine, manner: Manner, *, whole: bool) -> None:
    """Do to the connection what the manner says, after the last byte of an answer."""
    if manner.ending == "reset":
        line.reset()
    elif manner.ending == "die":
        raise SystemExit(3)
    elif manner.ending == "close" or manner.body == "close" or manner.idle_close:
        line.close()
    elif whole:
        line.answered()
