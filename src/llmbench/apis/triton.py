"""The dialect of Triton's generate extension (``/v2/models/M/generate_stream``) for TensorRT-LLM.

A stream has no terminator (it ends with the message) and no token counts.
"""

from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from llmbench.apis.protocol import (
    NO_HEADERS,
    NOTHING,
    TEXT,
    Ask,
    Event,
    Headers,
    Trouble,
    error_words,
    words,
)


class _Chunk(Struct, gc=False):
    text_output: str | list[str] | None = None
    error: Trouble = None


class Triton:
    """Sends ``min_length``, with which TensorRT-LLM reaches an exact output length."""

    name = "triton"
    framing: Literal["sse"] = "sse"
    ends_itself = False

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        verb = "generate_stream" if ask.stream else "generate"
        return f"/v2/models/{quote(ask.model, safe='')}/{verb}"

    def body(self, ask: Ask) -> dict[str, Any]:
        body: dict[str, Any] = {
            "text_input": ask.prompt,
            "max_tokens": ask.output_tokens,
            "bad_words": "",
            "stop_words": "",
            "stream": ask.stream,
            "temperature": ask.temperature,
            "random_seed": ask.seed,
        }
        return body | {"min_length": ask.output_tokens} if ask.exact else body

    def event(self, data: bytes) -> Event:
        chunk = self._decode(data)
        if chunk.error and (trouble := words(chunk.error)):
            return Event(error=trouble)
        return TEXT if chunk.text_output else NOTHING

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        return self.event(data)

    def error(self, data: bytes) -> str | None:
        return error_words(data)
