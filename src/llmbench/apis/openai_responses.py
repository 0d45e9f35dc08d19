"""The dialect of OpenAI's ``/v1/responses``, whose events are named.

vLLM, SGLang and llama.cpp serve it too. llama.cpp says ``completed`` also at the limit of tokens.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.openai_completions import CachedTokens, Timings, named, without_cache
from llmbench.apis.protocol import (
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
    words,
)

_FINISH = {"completed": "stop", "max_output_tokens": "length"}
_LAST = frozenset(
    f"response.{status}" for status in ("completed", "incomplete", "failed", "cancelled")
)


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: CachedTokens | None = None


class _Incomplete(Struct, gc=False):
    reason: str | None = None


class _Response(Struct, gc=False):
    status: str | None = None
    output: list[Any] = []
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Trouble = None
    timings: Timings | None = None


class _Chunk(Struct, gc=False):
    type: str = ""
    delta: str | None = None
    response: _Response | None = None
    timings: Timings | None = None
    error: Trouble = None
    message: Any = None


class OpenAIResponses:
    """Counts tokens at the end only; no event says how many it holds."""

    name = "openai-responses"
    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode
        self._decode_whole = msgspec.json.Decoder(_Response).decode

    def path(self, ask: Ask) -> str:
        return "/v1/responses"

    def body(self, ask: Ask) -> dict[str, Any]:
        said = [_item(place, *message) for place, message in enumerate(ask.messages)]
        body: dict[str, Any] = {
            "model": ask.model,
            "input": said or ask.prompt,
            "max_output_tokens": ask.output_tokens,
            "temperature": ask.temperature,
            "stream": ask.stream,
            "store": False,
        }
        if ask.images:
            body["input"] = [{"role": "user", "content": _with_images(ask.prompt, ask.images)}]
        if ask.schema is not None:
            body["text"] = {"format": {"type": "json_schema", **named(ask.schema)}}
        return body | without_cache(ask)

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":  # vLLM's, after what ends the response
            return NOTHING
        chunk = self._decode(data)
        if chunk.type.endswith(".delta"):
            if not chunk.delta:
                return NOTHING
            return REASONING if ".reasoning" in chunk.type else TEXT
        is_error = chunk.type == "error"
        trouble = words(chunk.error, chunk.message if is_error else None)
        if trouble or is_error:
            return Event(error=trouble or "no message")
        if chunk.type not in _LAST or chunk.response is None:
            return NOTHING
        return _ended(chunk.response, chunk.timings, chunk.type.rpartition(".")[2])

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        response = self._decode_whole(data)
        text, reasoning = _spoken(response.output)
        ended = _ended(response, response.timings, "")
        return msgspec.structs.replace(ended, text=text, reasoning=reasoning)

    def said(self, data: bytes) -> str:
        if data == b"[DONE]":
            return ""
        chunk = self._decode(data)
        if chunk.type:
            return chunk.delta or "" if chunk.type == "response.output_text.delta" else ""
        items = [item for item in self._decode_whole(data).output if isinstance(item, dict)]
        parts = [
            part for item in items if item.get("type") == "message" for part in item["content"]
        ]
        return "".join(part.get("text") or "" for part in parts)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def _item(place: int, role: str, text: str) -> dict[str, Any]:
    """A message as input; an answer in the form in which it came, as llama.cpp refuses others."""
    if role != "assistant":
        return {"role": role, "content": text}
    return {
        "type": "message",
        "id": f"msg_{place}",
        "role": role,
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def _with_images(text: str, images: tuple[str, ...]) -> list[dict[str, Any]]:
    """The content of a message that shows `images`."""
    shown = [{"type": "input_image", "image_url": PNG + image} for image in images]
    return [{"type": "input_text", "text": text}, *shown]


def _ended(response: _Response, timings: Timings | None, status: str) -> Event:
    """What a response says at its end, whose `status` the event's name has if nothing else."""
    if trouble := words(response.error):
        return Event(error=trouble)
    status = response.status or status
    details = response.incomplete_details
    reason = details.reason if status == "incomplete" and details is not None else None
    usage, timings = response.usage or _Usage(), timings or Timings()
    cached = usage.input_tokens_details
    return Event(
        end=bool(status),
        finish_reason=_FINISH.get(reason or status, reason or status) or None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=timings.cache_n if cached is None else cached.cached_tokens,
        prompt_ms=timings.prompt_ms,
        decode_ms=timings.predicted_ms,
        drafted_tokens=timings.draft_n,
        accepted_tokens=timings.draft_n_accepted,
    )


def _spoken(output: list[Any]) -> tuple[bool, bool]:
    """Whether the items of a response hold text (or a call of a tool), and reasoning."""
    items = [item for item in output if isinstance(item, dict)]
    reasoning = any(_texts(item) for item in items if item.get("type") == "reasoning")
    return any(_texts(item) for item in items if item.get("type") != "reasoning"), reasoning


def _texts(item: dict[str, Any]) -> bool:
    parts = [*(item.get("content") or ()), *(item.get("summary") or ()), item]
    told = ("text", "refusal", "arguments")
    return any(isinstance(part, dict) and any(map(part.get, told)) for part in parts)
