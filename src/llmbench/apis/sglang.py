"""The dialect of SGLang's own ``/generate``.

Each event repeats the whole text so far, unless the server runs with
``--incremental-streaming-output``; ``meta_info.completion_tokens`` shows how much is new.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.protocol import END, NO_HEADERS, Ask, Event, Headers, Trouble, error_words, words


class _Finish(Struct, gc=False):
    type: str | None = None
    message: str | None = None


class _Meta(Struct, gc=False):
    finish_reason: _Finish | str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None


class _Chunk(Struct, gc=False):
    text: str = ""
    meta_info: _Meta | None = None
    error: Trouble = None


_NO_META = _Meta()


class SGLang:
    """Sends ``extra_key``, which separates requests in the radix cache (old servers ignore it)."""

    name = "sglang"
    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        return "/generate"

    def body(self, ask: Ask) -> dict[str, Any]:
        sampling = {
            "max_new_tokens": ask.output_tokens,
            "temperature": ask.temperature,
            "ignore_eos": ask.exact,
        }
        body: dict[str, Any] = {
            "text": ask.prompt,
            "sampling_params": sampling,
            "stream": ask.stream,
        }
        return body if ask.unique is None else body | {"extra_key": ask.unique}

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":
            return END
        chunk = self._decode(data)
        if chunk.error and (trouble := words(chunk.error)):
            return Event(error=trouble)
        meta = chunk.meta_info or _NO_META
        finish = meta.finish_reason
        if isinstance(finish, _Finish):
            if finish.type == "abort":
                return Event(error=finish.message or "aborted by the server")
            finish = finish.type
        return Event(
            text=bool(chunk.text),
            cumulative=meta.completion_tokens is not None,
            output_tokens=meta.completion_tokens,
            input_tokens=meta.prompt_tokens,
            cached_tokens=meta.cached_tokens,
            finish_reason=finish,
        )

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        return self.event(data)

    def error(self, data: bytes) -> str | None:
        return error_words(data)
