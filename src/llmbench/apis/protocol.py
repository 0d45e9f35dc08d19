"""What is asked of a server and what one of its events says, the same for every dialect."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct


class Ask(Struct, frozen=True):
    """A completion to ask for, greedy and seeded so that the server's work can be repeated.

    `exact`: `output_tokens` of them, no fewer, where the engine can. `unique`: a string that
    no other request has, to keep the engine's prompt cache out of the measurement; at most
    128 letters, digits and hyphens. ``None`` leaves the cache as it is.
    """

    prompt: str
    output_tokens: int
    model: str
    stream: bool = True
    exact: bool = True
    unique: str | None = None
    seed: int = 0
    temperature: float = 0.0


Headers = Mapping[bytes, bytes]
"""Of a response, names in lower case."""

NO_HEADERS: Headers = MappingProxyType({})


class Event(Struct, frozen=True, gc=False):
    """What one event of a stream (or a whole body) says. ``None``: it doesn't say.

    `output_tokens` counts from the start of the answer; `tokens` only this event's own.
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


NOTHING = Event()
TEXT = Event(text=True)
REASONING = Event(reasoning=True)
END = Event(end=True)


class Dialect(Protocol):
    """How one kind of server is spoken to. Pure: no clock, no socket, no state.

    `event`, `whole` raise `msgspec.DecodeError` for what isn't the dialect's.
    """

    @property
    def name(self) -> str:
        """As ``--llm-api`` gives it."""

    @property
    def framing(self) -> Literal["sse", "ndjson"]:
        """How a streamed body is cut into events."""

    @property
    def ends_itself(self) -> bool:
        """Whether a stream says that it is whole; if not, the end of the message says it."""

    def path(self, ask: Ask) -> str:
        """Where to POST, below the server's base URL; begins with a slash."""

    def body(self, ask: Ask) -> dict[str, Any]:
        """The JSON object to send."""

    def event(self, data: bytes) -> Event:
        """What one event of a stream says."""

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        """What a response that was not streamed says: its body, and headers where they tell."""

    def error(self, data: bytes) -> str | None:
        """The server's words in the body of a failed response; None when it has none."""


class ErrorBody(Struct, gc=False):
    """The object that most servers put under ``error``."""

    message: str | None = None
    type: str | None = None
    code: int | str | None = None


Trouble = ErrorBody | str | None


class _Failure(Struct):
    error: Trouble = None
    message: str | None = None
    detail: Any = None


_decode_failure = msgspec.json.Decoder(_Failure).decode


def words(trouble: Trouble, message: str | None = None) -> str:
    """An ``error`` member in words."""
    if isinstance(trouble, str):
        return trouble
    if trouble is None:
        return message or "no message"
    return trouble.message or trouble.type or str(trouble.code or "no message")


def error_words(data: bytes) -> str | None:
    """The message in an error body: JSON in any of the usual forms, or the text itself."""
    try:
        failure = _decode_failure(data)
    except msgspec.DecodeError:
        text = data[:200].decode(errors="replace").strip()
        return text or None
    if failure.error is None and failure.message is None:
        return None if failure.detail is None else str(failure.detail)[:200]
    return words(failure.error, failure.message)[:200]
