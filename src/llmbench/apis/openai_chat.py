"""The dialect of OpenAI's ``/v1/chat/completions``.

Some engines stream reasoning before the answer: in ``reasoning_content`` (vLLM, SGLang,
llama.cpp) or in ``reasoning`` (newer vLLM, gpt-oss).
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.openai_completions import (
    Extras,
    Metrics,
    Timings,
    Usage,
    as_it_is,
    common,
    counted,
    named,
    trouble_of,
)
from llmbench.apis.protocol import (
    END,
    NO_HEADERS,
    NOTHING,
    PNG,
    REASONING,
    TEXT,
    Ask,
    Event,
    Headers,
    Trouble,
    error_words,
)


class _Message(Struct, gc=False):
    content: str | list[Any] | None = None  # Mistral sends parts
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None
    refusal: str | None = None


class _Choice(Struct, gc=False):
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    usage: Usage | None = None  # Kimi has it here


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = []
    usage: Usage | None = None
    timings: Timings | None = None
    metrics: Metrics | None = None
    error: Trouble = None
    object: str | None = None
    message: Any = None


_NO_CHOICE = _Choice()
_NO_MESSAGE = _Message()


class OpenAIChat:
    """Takes `extras` as completions do; without any, the limit is ``max_completion_tokens``."""

    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self, name: str, extras: Extras = "all") -> None:
        self.name = name
        self._extras = extras
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        return "/v1/chat/completions"

    def body(self, ask: Ask) -> dict[str, Any]:
        limit = "max_completion_tokens" if self._extras == "none" else "max_tokens"
        if ask.replayed is not None:
            return as_it_is(ask, ask.replayed, self._extras)
        said = ask.messages or (("user", ask.prompt),)
        messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in said]
        if ask.images:
            messages[-1]["content"] = _with_images(said[-1][1], ask.images)
        body: dict[str, Any] = {"model": ask.model, "messages": messages, limit: ask.output_tokens}
        if ask.schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": named(ask.schema)}
        return body | common(ask, self._extras)

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":
            return END
        chunk = self._decode(data)
        choice = chunk.choices[0] if chunk.choices else _NO_CHOICE
        message = choice.delta or choice.message or _NO_MESSAGE
        text, reasoning = _spoken(message)
        finish = choice.finish_reason
        usage = chunk.usage or choice.usage
        if (chunk.error or not chunk.choices) and (trouble := trouble_of(chunk)):
            return Event(error=trouble)
        if usage is None and finish is None and chunk.timings is None:
            if text and reasoning:
                return Event(text=True, reasoning=True)
            return TEXT if text else REASONING if reasoning else NOTHING
        return counted(
            usage,
            chunk.timings,
            chunk.metrics,
            text=text,
            reasoning=reasoning,
            finish_reason=finish,
        )

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        return self.event(data)

    def said(self, data: bytes) -> str:
        if data == b"[DONE]":
            return ""
        chunk = self._decode(data)
        choice = chunk.choices[0] if chunk.choices else _NO_CHOICE
        return _text((choice.delta or choice.message or _NO_MESSAGE).content)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def _with_images(text: str, images: tuple[str, ...]) -> list[dict[str, Any]]:
    """The content of a message that shows `images`."""
    shown = [{"type": "image_url", "image_url": {"url": PNG + image}} for image in images]
    return [{"type": "text", "text": text}, *shown]


def _spoken(message: _Message) -> tuple[bool, bool]:
    """Whether a message holds generated text of the answer, and of the reasoning before it."""
    content = message.content
    reasoning = bool(message.reasoning_content or message.reasoning)
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        reasoning = reasoning or any(part.get("thinking") for part in parts)
    text = _text(content) or message.tool_calls or message.refusal or message.function_call
    return bool(text), reasoning


def _text(content: str | list[Any] | None) -> str:
    """The text of a message, or of the parts that it is sent in."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        return "".join(str(part.get("text") or "") for part in parts)
    return content or ""
