"""What is asked of a server and what its events say, in terms common to all dialects."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Struct


class Ask(Struct, frozen=True):
    """A completion to ask for, greedy and seeded so that the server's work can be repeated.

    With `exact` the engine shall generate no fewer than `output_tokens`, if it can be told so.
    `unique` is a string that no other request has (at most 128 letters, digits and hyphens); it
    keeps the engine's prompt cache out of the measurement. ``None`` leaves the cache as it is;
    with `reuse` it is even asked for, where an engine has to be.
    """

    prompt: str
    output_tokens: int
    model: str
    stream: bool = True
    exact: bool = True
    unique: str | None = None
    reuse: bool = False
    seed: int = 0
    temperature: float = 0.0
    messages: tuple[tuple[str, str], ...] = ()  # (role, text) of a chat, instead of the prompt
    replayed: dict[str, Any] | None = None  # a whole body, sent as it is instead of all that
    schema: dict[str, Any] | None = None  # JSON's, that the answer shall conform to
    images: tuple[str, ...] = ()  # PNG files in base64, which follow the prompt
    more_inputs: tuple[str, ...] = ()  # beside the prompt, where a result is asked for each

    @property
    def inputs(self) -> tuple[str, ...]:
        """All texts for which a dialect without output tokens asks for a result each."""
        return (self.prompt, *self.more_inputs)


PNG = "data:image/png;base64,"
"""What begins the data URL of a PNG file in base64."""

Headers = Mapping[bytes, bytes]
"""The headers of a response, their names in lower case."""

NO_HEADERS: Headers = MappingProxyType({})


class Event(Struct, frozen=True, gc=False):
    """What one event of a stream (or a whole body) says; ``None`` where it doesn't say.

    `output_tokens` counts from the start of the answer, `tokens` only those of this event.
    """

    text: bool = False  # holds generated text of the answer
    reasoning: bool = False  # holds generated text that comes before the answer
    cumulative: bool = False  # repeats what came before: only growth of output_tokens is new
    tokens: int | None = None
    output_tokens: int | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    finish_reason: str | None = None
    end: bool = False  # the dialect's terminator
    error: str | None = None
    queue_ms: float | None = None
    prompt_ms: float | None = None
    decode_ms: float | None = None
    total_ms: float | None = None  # from the request's receipt to the answer's end
    drafted_tokens: int | None = None  # by speculative decoding, in the whole answer
    accepted_tokens: int | None = None  # of these
    verify_steps: int | None = None  # in which they were tried


NOTHING = Event()
TEXT = Event(text=True)
REASONING = Event(reasoning=True)
END = Event(end=True)


class Dialect(Protocol):
    """The way to speak to one kind of server, without a clock, a socket or state.

    `event` and `whole` raise one of `UNREADABLE` for data that isn't in the dialect.
    """

    @property
    def name(self) -> str:
        """The name by which ``--llm-api`` chooses the dialect."""

    @property
    def framing(self) -> Literal["sse", "ndjson"]:
        """How a streamed body is cut into events."""

    @property
    def ends_itself(self) -> bool:
        """Whether a stream itself says that it is whole; else the end of the message shows it."""

    def path(self, ask: Ask) -> str:
        """The path to POST to, below the server's base URL; it begins with a slash."""

    def body(self, ask: Ask) -> dict[str, Any]:
        """The JSON object to send."""

    def event(self, data: bytes) -> Event:
        """What one event of a stream says."""

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        """What the body of an unstreamed response says, and its headers for some dialects."""

    def error(self, data: bytes) -> str | None:
        """The server's words in the body of a failed response; None when it has none."""


@runtime_checkable
class ChatDialect(Dialect, Protocol):
    """A dialect that takes the messages of a chat, and can tell the text of an answer."""

    def said(self, data: bytes) -> str:
        """The text of the answer in one event of a stream, or in a whole body."""


@runtime_checkable
class PoolingDialect(Dialect, Protocol):
    """A dialect whose answers hold no tokens, but a result for each input; they don't stream."""

    @property
    def inputs_alone(self) -> bool:
        """Whether the model reads nothing but the inputs, so that their tokens are the prompt's."""

    def flaw(self, data: bytes, inputs: int) -> str | None:
        """Why a whole body is no good answer to so many inputs; None where it is one."""


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what a type wants."""

Trouble = Any
"""What servers put under ``error``: a text, an object in one of many shapes, or nothing."""


class _Failure(Struct):
    error: Trouble = None
    message: Any = None
    detail: Any = None


_decode_failure = msgspec.json.Decoder(_Failure).decode
_MESSAGES = ("message", "detail", "msg", "error", "type", "code")
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
MOST_WORDS = 200


def words(trouble: Trouble, message: Any = None) -> str | None:
    """An ``error`` member in words; None for an empty one, which some send with every event."""
    if isinstance(trouble, dict):
        told = [str(trouble[name]) for name in _MESSAGES if trouble.get(name)]
        if told:
            return told[0][:MOST_WORDS]
        trouble = {name: value for name, value in trouble.items() if value}
    if trouble:
        return str(trouble)[:MOST_WORDS]
    return str(message)[:MOST_WORDS] if message else None


def error_words(data: bytes) -> str | None:
    """The message in an error body, be it JSON in one of the usual forms or plain text."""
    try:
        failure = _decode_failure(data)
    except UNREADABLE:
        text = _MARKUP.sub(" ", data[:MOST_PAGE].decode(errors="replace"))
        return " ".join(text.split())[:MOST_WORDS] or None
    return words(failure.error, failure.message or failure.detail)


MOST_PAGE = 20_000
"""Bytes of an error page in which its words are looked for."""
