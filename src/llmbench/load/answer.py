"""What the events of one response add up to."""

import re

from llmbench.apis import UNREADABLE, Dialect, Event, frames, salvaged
from llmbench.load.body_reads import BodyReads
from llmbench.load.wire.exchange import Failure
from llmbench.traffic import FINISHED_BADLY

MOST_TOKENS = 2**31
"""A number that is not below this is not a count, as no model's context has so many tokens."""

MOST_MS = 1e9
"""A server's own duration must be below this (twelve days), and not negative, to be believed."""

_later_data = re.compile(rb"\s*\S").match
BLANK_LINE = 2  # bytes after an event's data that end it: no later data if nothing follows


class Answer:
    """What the events of one response add up to."""

    def __init__(self) -> None:
        self.times_ns: list[int] = []  # arrival of each event with tokens
        self.tokens: list[int | None] = []
        self.bounded: list[tuple[int, int]] = []  # (event, earliest arrival)
        self.answer_ns: int | None = None
        self.events = 0
        self.unread = 0  # events that could be read in part only, or not at all
        self._last_read = -1  # index of the last read that held a token
        self.ended = False
        self._has_text = False
        self.error: str | None = None
        self.finish_reason: str | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.queue_ms: float | None = None
        self.prompt_ms: float | None = None
        self.decode_ms: float | None = None
        self.total_ms: float | None = None
        self.drafted_tokens: int | None = None
        self.accepted_tokens: int | None = None
        self.verify_steps: int | None = None

    def take(self, body: bytes, dialect: Dialect, reads: BodyReads) -> None:
        """Add up a streamed body, which came in `reads`.

        The stamp of a read is that of its last segment: an event that more data follows in its
        read, whatever it is, may have come earlier. `msgspec.DecodeError` where an event is not
        JSON.
        """
        understand = dialect.event
        ends, times_ns = reads.ends, reads.times_ns
        read, counted = 0, 0
        for data, end in frames(body, dialect.framing):
            self.events += 1
            try:
                event = understand(data)
            except UNREADABLE:
                self.unread += 1
                event = salvaged(data, understand)
            total = event.output_tokens
            spoken = event.text or event.reasoning or event.tokens
            if not spoken or event.finish_reason or event.end or event.error is not None:
                self._note(event)
            elif total is not None:
                if self.input_tokens is None:
                    self._note(event)
                self.output_tokens = total
            if not spoken:
                continue
            tokens = event.tokens
            if total and tokens is None:  # a 0 beside text is a server that counts at the end
                tokens = total - counted
                if event.cumulative and tokens <= 0:
                    continue
                counted = total
                if not 0 <= tokens < MOST_TOKENS:
                    tokens = None
            while ends[read] < end:
                read += 1
            if ends[read] - end > BLANK_LINE and _later_data(body, end, ends[read]):
                self.bounded.append((len(self.times_ns), reads.emptied_ns(read)))
            self.times_ns.append(times_ns[read])
            self.tokens.append(tokens)
            if self.answer_ns is None and (event.text or not event.reasoning):
                self.answer_ns = times_ns[read]
        self._last_read = read

    def close_with_trailer(self, reads: BodyReads) -> None:
        """The last read also held bytes that follow the body: they bound its last event."""
        last, last_read = len(self.times_ns) - 1, len(reads.ends) - 1
        is_bounded = bool(self.bounded) and self.bounded[-1][0] == last
        if last >= 0 and self._last_read == last_read and not is_bounded:
            self.bounded.append((last, reads.emptied_ns(last_read)))

    def take_whole(self, event: Event) -> None:
        """Take a body that was not streamed; when its tokens came is not known."""
        self.events = 1
        self._note(event)
        self.ended = True
        self._has_text = event.text or event.reasoning

    @property
    def is_whole(self) -> bool:
        """Whether a terminator or a finish reason came."""
        return self.ended or self.finish_reason is not None

    def flaw(self, *, ends_itself: bool) -> Failure | None:
        """Why the answer is not a success, as far as its events show."""
        if self.error is not None:
            return "error_event", self.error
        reason = self.finish_reason
        if reason is not None and reason.lower() in FINISHED_BADLY:
            return "error_event", f"the server ended the answer with finish reason {reason!r}"
        if ends_itself and not self.is_whole:
            return "cut", "the stream stopped without its end"
        return None

    def drop_impossible(self) -> str | None:
        """Forget impossible counts and durations; return the first such count in words."""
        for name in _DURATIONS:
            duration_ms = getattr(self, name)
            if duration_ms is not None and not 0 <= duration_ms < MOST_MS:
                setattr(self, name, None)
        for name in _DRAFTS:  # no count of tokens that were sent, so nothing to fail for
            if not 0 <= (getattr(self, name) or 0) < MOST_TOKENS:
                setattr(self, name, None)
        wrong = [name for name in _COUNTS if not 0 <= (getattr(self, name) or 0) < MOST_TOKENS]
        words = [f"{name.replace('_', ' ')} {getattr(self, name)}"[:80] for name in wrong]
        for name in wrong:
            setattr(self, name, None)
        return words[0] if words else None

    def emptiness(self) -> Failure | None:
        """Why an answer that ended well is not a success: it held no token that could be read."""
        if self.times_ns or self._has_text or self.output_tokens:
            return None
        if self.unread:
            return "malformed", "no token in the events, whose form is not the dialect's"
        return "empty", "the response ended well but held no token"

    def first_earliest_ns(self) -> int:
        """The earliest arrival of the first event with tokens."""
        if self.bounded and self.bounded[0][0] == 0:
            return self.bounded[0][1]
        return self.times_ns[0]

    def count_events(self) -> bool:
        """Where the server tells no count, take that of what it sent; whether it had to be so."""
        if self.output_tokens is not None or not self.times_ns:
            return False
        told = [count for count in self.tokens if count is not None]
        self.output_tokens = sum(told) + len(self.tokens) - len(told)
        return len(told) < len(self.tokens)

    def counts(self) -> tuple[int, ...]:
        """The tokens of each event; empty if the server doesn't say, or if each had one."""
        counts = [count for count in self.tokens if count is not None]
        if len(counts) < len(self.tokens) or all(count == 1 for count in counts):
            return ()
        return tuple(counts)

    def _note(self, event: Event) -> None:
        """Keep what an event says besides text; a later event overrides an earlier one."""
        self.ended = self.ended or event.end
        for name in _KEPT:
            value = getattr(event, name)
            if value is not None:
                setattr(self, name, value)


_COUNTS = ("input_tokens", "output_tokens", "cached_tokens")
_DURATIONS = ("queue_ms", "prompt_ms", "decode_ms", "total_ms")
_DRAFTS = ("drafted_tokens", "accepted_tokens", "verify_steps")
_KEPT = ("error", "finish_reason", *_COUNTS, *_DURATIONS, *_DRAFTS)
