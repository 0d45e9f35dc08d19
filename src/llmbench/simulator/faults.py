"""All the ways in which the simulator can answer differently from a plain healthy server.

A fault has a name, a line that says what it does, and changes to the `Manner` of an answer.
docs/simulator.md lists the faults; a test compares that page with `FAULTS`.
"""

from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.simulator.manner import Manner
from llmbench.value_types import nearest


class Fault(Struct, frozen=True):
    """A named change of manner; `what` is its line in the documentation."""

    name: str
    what: str
    changes: dict[str, Any]


def _fault(name: str, what: str, **changes: Any) -> Fault:
    return Fault(name, what, changes)


REFUSABLE = (
    *("cache_salt", "cache_prompt", "stream_options", "ignore_eos", "min_tokens"),
    *("seed", "temperature", "max_tokens"),
)
"""The fields that servers have been seen to refuse."""

MANY = 1_000_000
"""More writes than any answer has."""

_ALL = (
    # events and reads
    _fault(
        "cut-anywhere",
        "each event arrives in pieces cut anywhere, also inside a UTF-8 "
        "character and inside HTTP's own framing; texts are not ASCII",
        cut=True,
    ),
    _fault("byte-by-byte", "the answer's events arrive one byte at a time", byte_by_byte=True),
    _fault("many-tokens-per-event", "three tokens in each event", tokens_per_event=3),
    _fault("several-events-per-write", "four events in each write", events_per_write=4),
    # server-sent events
    _fault("no-space", "`data:` without a space", prefix=b"data:"),
    _fault("crlf", "lines end in CR LF", newline=b"\r\n"),
    _fault("cr", "lines end in CR alone", newline=b"\r"),
    _fault("comments", "comment lines before the first event and between events", comments=True),
    _fault("named-events", "`event:` and `id:` lines before `data:`", named=True),
    _fault("multiline-data", "the JSON of an event over several `data:` lines", multiline=True),
    _fault("no-final-newline", "the last event ends without its blank line", final_newline=False),
    _fault(
        "early-role",
        "an event without a token comes at once: only a role, an empty text",
        early_role=True,
    ),
    _fault("no-usage", "no token counts from the server", usage=False),
    _fault("reasoning", "chat: the first half of the tokens is reasoning", reasoning=True),
    _fault("incremental", "SGLang: each event holds only the new text", cumulative=False),
    _fault("tgi-0.9.4", "TGI as of 0.9.4: no `index`, no `input_length`", tgi_version="0.9.4"),
    _fault("short", "the model stops by itself at half of the asked tokens", length=0.5),
    _fault(
        "tokens-told-at-end",
        "four tokens in each event, of which only the sum is told, in the last one",
        tokens_per_event=4,
        continuous_usage=False,
    ),
    _fault(
        "small-context",
        "only half of the prompt is processed, and the server's count says so",
        context=0.5,
    ),
    # events that are not quite the dialect's
    _fault(
        "null-choices", "OpenAI: the event of the usage has `choices: null`", odd="null-choices"
    ),
    _fault(
        "usage-in-choice", "OpenAI: the usage stands inside `choices[0]`", odd="usage-in-choice"
    ),
    _fault("empty-error", "every event has an `error` object that is empty", odd="empty-error"),
    _fault("content-parts", "chat: the content is a list of parts", odd="content-parts"),
    _fault("refusal", "chat: the deltas hold a `refusal`", odd="refusal"),
    _fault("function-call", "chat: the deltas hold a `function_call`", odd="function-call"),
    _fault("half-surrogate", "each text is half of a surrogate pair", odd="half-surrogate"),
    _fault(
        "unreadable-text",
        "the text of the second event has a type that nobody knows",
        odd="unreadable-text",
    ),
    _fault("zero-usage", "OpenAI: the usage counts 0 tokens until the end", odd="zero-usage"),
    _fault("impossible-count", "the server counts 10²⁰ output tokens", odd="impossible-count"),
    *(
        _fault(name, f"embeddings and rerank: {what}", odd=name)
        for name, what in (
            ("missing-result", "the last input has no result"),
            ("doubled-result", "the last result is for another input, or for none"),
            ("empty-result", "the last vector is empty, or the last score a list"),
            ("not-a-number", "the last result holds a NaN"),
        )
    ),
    *(
        _fault(
            f"finish-{reason}",
            f"the finish reason is `{reason}`, status 200",
            odd=f"finish-{reason}",
        )
        for reason in ("abort", "error", "cancelled", "unheard-of")
    ),
    # errors inside an answer
    _fault(
        "error-event",
        "an error event at half of the tokens, then the stream's normal end",
        stop_after=0.5,
        ending="error",
    ),
    _fault(
        "error-named-comment",
        "at half of the tokens an event named `error` with only a comment, then `[DONE]`",
        stop_after=0.5,
        ending="error",
        error_as="named-comment",
    ),
    _fault(
        "error-named-message",
        "at half of the tokens an event named `error` with a bare message, then `[DONE]`",
        stop_after=0.5,
        ending="error",
        error_as="named-message",
    ),
    _fault(
        "error-unframed",
        "at half of the tokens an error that is no event, then `[DONE]`",
        stop_after=0.5,
        ending="error",
        error_as="unframed",
    ),
    _fault(
        "error-first", "an error event instead of the first token", stop_after=0.0, ending="error"
    ),
    _fault("empty", "a well-formed answer without a single token", length=0.0),
    _fault(
        "no-terminator",
        "the message ends well at half of the tokens, without finish reason and terminator",
        stop_after=0.5,
        ending="no-terminator",
    ),
    _fault(
        "cut",
        "the connection is closed at half of the tokens, in the middle of the message",
        stop_after=0.5,
        ending="close",
    ),
    _fault(
        "reset", "the connection is reset at half of the tokens", stop_after=0.5, ending="reset"
    ),
    _fault(
        "reset-first",
        "the connection is reset instead of the first token",
        stop_after=0.0,
        ending="reset",
    ),
    _fault(
        "stall",
        "nothing more comes after half of the tokens; the connection stays open",
        stop_after=0.5,
        ending="stall",
    ),
    _fault("no-first-token", "headers come, a token never", stop_after=0.0, ending="stall"),
    _fault("die", "the server's process ends at half of the tokens", stop_after=0.5, ending="die"),
    _fault("malformed-event", "one event is not JSON", garbage="event"),
    _fault("malformed-http", "the answer is not HTTP", garbage="http"),
    _fault("json-page", "one JSON answer where a stream was asked for", garbage="json"),
    _fault("html-page", "a login page with status 200", garbage="html"),
    _fault("error-page", "an error in JSON with status 200", garbage="error"),
    # statuses
    *(
        _fault(f"http-{status}", f"status {status} with the dialect's error body", status=status)
        for status in (400, 401, 404, 422, 429, 500, 503)
    ),
    _fault("busy", "status 503 at once, with `Retry-After: 1`", status=503, retry_after_s=1),
    _fault("http-400-empty", "status 400 without a body", status=400, error_body=False),
    _fault("http-500-empty", "status 500 without a body", status=500, error_body=False),
    _fault("redirect", "status 307 to another path", status=307),
    # fields
    *(
        _fault(f"refuses-{name}", f"status 422 to a request that has `{name}`", refuses=(name,))
        for name in REFUSABLE
    ),
    _fault("refuses-silently", "refused fields are not named", says_what=False),
    # on the way, and the server's own clock
    _fault("proxy-holds-all", "a proxy holds all tokens back until the end", held_writes=MANY),
    _fault("proxy-holds-eight", "a proxy passes tokens on once it has eight writes", held_writes=8),
    _fault("gateway-40ms", "a gateway keeps each request for 40 ms", gateway_ms=40),
    _fault("fast-clock", "the times that the server tells are twice as long", clock_rate=2.0),
    # HTTP
    _fault("content-length", "the stream's length is in its head", body="length"),
    _fault("close-delimited", "the body ends with the connection", body="close"),
    _fault("gzip", "the stream is compressed, asked for or not", gzip=True),
    _fault("interim", "a 100 Continue comes before the answer's own head", interim=True),
    _fault("slow-headers", "the head dribbles in, 20 ms between its pieces", slow_headers=True),
    _fault(
        "ignores-hang-ups",
        "an answer is computed to its end though its client has gone; its slot stays taken",
        notices_hang_ups=False,
    ),
    _fault(
        "idle-close",
        "the connection is closed after the answer, though kept alive",
        idle_close=True,
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
"""All faults by name."""

HEADER = "x-llmbench-fault"
"""The request header that asks for a fault, or for ``none`` where the configuration has one."""


def manner_of(name: str | None) -> Manner:
    """The manner of an answer under the fault `name`; ``None`` and ``none`` are healthy.

    Several names, joined by ``+``, are taken together. An unknown name raises `ConfigError`.
    """
    changes: dict[str, Any] = {}
    for part in (name or "none").split("+"):
        if part != "none":
            more = _fault_called(part).changes
            refuses = (*changes.get("refuses", ()), *more.get("refuses", ()))
            changes |= more | ({"refuses": refuses} if refuses else {})
    return msgspec.structs.replace(Manner(), **changes)


class FaultPlan(Struct, frozen=True):
    """The configuration's fault and the share of requests, drawn from the seed, that have it."""

    faulty: Manner
    share: float
    seed: int

    @classmethod
    def parse(cls, text: str | None, seed: int) -> "FaultPlan":
        """Read ``NAME`` (every request) or ``NAME:0.1`` (a tenth); `ConfigError` for other text."""
        name, _, share = (text or "none").partition(":")
        try:
            part = float(share or 1)
        except ValueError:
            part = -1.0
        if not 0 <= part <= 1:
            raise ConfigError(f"server.fault: {share!r} is not a share; write it like {name}:0.1")
        return cls(manner_of(name), part, seed)

    def manner(self, request: int) -> Manner:
        """The manner of the answer to the request with that number."""
        if self.share < 1 and Random(f"{self.seed}/{request}").random() >= self.share:
            return Manner()
        return self.faulty


def _fault_called(name: str) -> Fault:
    try:
        return FAULTS[name]
    except KeyError:
        raise ConfigError(
            f"server.fault: unknown fault {name!r}{nearest(name, list(FAULTS))}"
        ) from None
