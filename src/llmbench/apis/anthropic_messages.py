"""The dialect of Anthropic's ``/v1/messages``, whose events are named; vLLM and llama.cpp serve it.

Input tokens are told without those from a cache, which stand beside them; here they are added up,
so that they mean the same as in every other dialect.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.openai_completions import without_cache
from llmbench.apis.protocol import (
    END,
    NO_HEADERS,
    NOTHING,
    REASONING,
    TEXT,
    Ask,
    Event,
    Headers,
    Trouble,
    error_words,
    words,
)

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Delta(Struct, gc=False):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Message(Struct, gc=False):
    content: list[Any] = []
    stop_reason: str | None = None
    usage: _Usage | None = None
    error: Trouble = None


class _Chunk(Struct, gc=False):
    type: str = ""
    delta: _Delta | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    error: Trouble = None


class AnthropicMessages:
    """Takes counts from ``message_start`` (input) and ``message_delta`` (output)."""

    name = "anthropic-messages"
    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode
        self._decode_whole = msgspec.json.Decoder(_Message).decode

    def path(self, ask: Ask) -> str:
        return "/v1/messages"

    def body(self, ask: Ask) -> dict[str, Any]:
        said = ask.messages or (("user", ask.prompt),)
        system = "".join(text for role, text in said if role == "system")
        messages: list[dict[str, Any]]
        messages = [{"role": role, "content": text} for role, text in said if role != "system"]
        if ask.images:
            messages[-1]["content"] = _with_images(said[-1][1], ask.images)
        body: dict[str, Any] = {
            "model": ask.model,
            "messages": messages,
            "max_tokens": ask.output_tokens,
            "temperature": ask.temperature,
            "stream": ask.stream,
        }
        return body | ({"system": system} if system else {}) | without_cache(ask)

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":  # vLLM's, after message_stop
            return NOTHING
        chunk = self._decode(data)
        delta = chunk.delta
        if chunk.type == "content_block_delta" and delta is not None:
            text = delta.text or delta.partial_json
            return REASONING if delta.thinking else TEXT if text else NOTHING
        return self._other(chunk)

    def _other(self, chunk: _Chunk) -> Event:
        """What an event without text says."""
        if (trouble := words(chunk.error)) or chunk.type == "error":
            return Event(error=trouble or "no message")
        if chunk.type == "message_start" and chunk.message is not None:
            started = _counted(chunk.message.usage)
            return msgspec.structs.replace(started, output_tokens=None)  # which is a guess
        if chunk.type == "message_delta":
            return _counted(chunk.usage, None if chunk.delta is None else chunk.delta.stop_reason)
        return END if chunk.type == "message_stop" else NOTHING

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        message = self._decode_whole(data)
        if trouble := words(message.error):
            return Event(error=trouble)
        blocks = [block for block in message.content if isinstance(block, dict)]
        return msgspec.structs.replace(
            _counted(message.usage, message.stop_reason),
            text=any(block.get("text") or block.get("input") for block in blocks),
            reasoning=any(block.get("thinking") for block in blocks),
        )

    def said(self, data: bytes) -> str:
        if data == b"[DONE]":
            return ""
        chunk = self._decode(data)
        if chunk.type != "message":
            return chunk.delta.text or "" if chunk.delta is not None else ""
        blocks = [block for block in self._decode_whole(data).content if isinstance(block, dict)]
        return "".join(block.get("text") or "" for block in blocks)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def _with_images(text: str, images: tuple[str, ...]) -> list[dict[str, Any]]:
    """The content of a message that shows `images`."""
    kind = {"type": "base64", "media_type": "image/png"}
    shown = [{"type": "image", "source": kind | {"data": image}} for image in images]
    return [{"type": "text", "text": text}, *shown]


def _counted(usage: _Usage | None, reason: str | None = None) -> Event:
    """The counts and the reason of an event that holds no text."""
    usage = usage or _Usage()
    cached, kept = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    new = usage.input_tokens
    return Event(
        input_tokens=None if new is None else new + (cached or 0) + (kept or 0),
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        finish_reason=None if reason is None else _FINISH.get(reason, reason),
    )
