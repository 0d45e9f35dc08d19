"""The dialect of text-generation-inference: ``/generate`` and ``/generate_stream``, 0.9.4 to 3.x.

No request can make it ignore the end-of-sequence token, so outputs may be shorter than asked. Its
prefix cache (3.x) can only be switched off at launch.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from llmbench.apis.protocol import NO_HEADERS, Ask, Event, Headers, Trouble, error_words, words

_FINISH = {"eos_token": "stop", "stop_sequence": "stop"}


class _Token(Struct, gc=False):
    id: int
    text: str = ""


class _Details(Struct, gc=False):
    finish_reason: str | None = None
    generated_tokens: int | None = None
    input_length: int | None = None
    prefill: list[Any] = []


class _Chunk(Struct, gc=False):
    token: _Token | None = None
    generated_text: str | None = None
    details: _Details | None = None
    error: Trouble = None


_TOKEN = Event(text=True, tokens=1)


class Tgi:
    """Takes each event for one token; ``details`` of the last has the counts and the reason."""

    name = "tgi"
    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        return "/generate_stream" if ask.stream else "/generate"

    def body(self, ask: Ask) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "max_new_tokens": ask.output_tokens,
            "details": True,
            "do_sample": ask.temperature > 0,
            "seed": ask.seed,
        }
        if ask.temperature > 0:  # TGI refuses 0, and is greedy without sampling
            parameters["temperature"] = ask.temperature
        return {"inputs": ask.prompt, "parameters": parameters}

    def event(self, data: bytes) -> Event:
        chunk = self._decode(data)
        if chunk.error and (trouble := words(chunk.error)):
            return Event(error=trouble)
        if chunk.details is None and chunk.generated_text is None:
            return _TOKEN if chunk.token is not None else Event()
        return _last(chunk)

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        chunk = self._decode(data)
        if chunk.error and (trouble := words(chunk.error)):
            return Event(error=trouble)
        return structs.replace(
            _last(chunk),
            queue_ms=_milliseconds(headers, b"x-queue-time"),
            total_ms=_milliseconds(headers, b"x-total-time"),
        )

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def _milliseconds(headers: Headers, name: bytes) -> float | None:
    """A duration in a header of the router, which only unstreamed responses have.

    The router cuts it to whole milliseconds. Its inference time holds prefill and decoding.
    """
    text = headers.get(name, b"")
    return float(text) if text.replace(b".", b"", 1).isdigit() else None


def _last(chunk: _Chunk) -> Event:
    """The last event of a stream, which holds a token as well, or the whole body."""
    details = chunk.details or _Details()
    reason = details.finish_reason
    streamed = chunk.token is not None
    return Event(
        text=streamed or bool(chunk.generated_text),
        tokens=1 if streamed else None,
        output_tokens=details.generated_tokens,
        input_tokens=details.input_length or len(details.prefill) or None,
        finish_reason=None if reason is None else _FINISH.get(reason, reason),
        end=True,
    )
