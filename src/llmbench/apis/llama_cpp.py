"""The dialect of llama.cpp's own ``/completion``."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.openai_completions import Timings
from llmbench.apis.protocol import END, NO_HEADERS, Ask, Event, Headers, Trouble, error_words, words

_FINISH = {"eos": "stop", "word": "stop", "limit": "length", "none": None, "": None}


class _Chunk(Struct, gc=False):
    content: str = ""
    tokens: list[int] = []
    stop: bool = False
    stop_type: str | None = None
    tokens_predicted: int | None = None
    tokens_evaluated: int | None = None
    timings: Timings | None = None
    error: Trouble = None


class LlamaCpp:
    """Counts an event's tokens from ``tokens`` (``return_tokens``).

    A token that only begins a UTF-8 character is held back by the server and counted with the
    event that completes the character.
    """

    name = "llama.cpp"
    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        return "/completion"

    def body(self, ask: Ask) -> dict[str, Any]:
        return {
            "prompt": ask.prompt,
            "n_predict": ask.output_tokens,
            "stream": ask.stream,
            "temperature": ask.temperature,
            "seed": ask.seed,
            "ignore_eos": ask.exact,
            "cache_prompt": ask.unique is None,
            "return_tokens": True,
        }

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":
            return END
        chunk = self._decode(data)
        if chunk.error and (trouble := words(chunk.error)):
            return Event(error=trouble)
        if chunk.stop:
            return _last(chunk)
        return Event(text=bool(chunk.content), tokens=len(chunk.tokens) or None)

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        chunk = self._decode(data)
        trouble = words(chunk.error)
        return Event(error=trouble) if trouble else _last(chunk)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def _last(chunk: _Chunk) -> Event:
    """The event that ends a stream, or the whole body; it has counts, timings and the reason.

    A server that says ``stop`` without a reason has still ended the stream.
    """
    timings = chunk.timings or Timings()
    reason = chunk.stop_type
    return Event(
        text=bool(chunk.content),
        end=chunk.stop,
        output_tokens=chunk.tokens_predicted,
        input_tokens=chunk.tokens_evaluated,
        cached_tokens=timings.cache_n,
        finish_reason=None if reason is None else _FINISH.get(reason, reason),
        prompt_ms=timings.prompt_ms,
        decode_ms=timings.predicted_ms,
        drafted_tokens=timings.draft_n,
        accepted_tokens=timings.draft_n_accepted,
    )
