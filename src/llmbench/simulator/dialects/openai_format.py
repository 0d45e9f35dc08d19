"""OpenAI's completions and chat, as vLLM writes them."""

from typing import Any, Literal

import msgspec

from llmbench.simulator.asked import Asked
from llmbench.simulator.faults import Manner
from llmbench.simulator.vocabulary import text_of

encode = msgspec.json.encode


def finish(manner: Manner, asked: Asked, total: int) -> str:
    """OpenAI's word for why the model stopped."""
    return "length" if total >= asked.tokens else "stop"


def usage_of(asked: Asked, tokens: int) -> dict[str, Any]:
    """OpenAI's token counts."""
    return {
        "prompt_tokens": asked.prompt_tokens,
        "total_tokens": asked.prompt_tokens + tokens,
        "completion_tokens": tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


class OpenAIFormat:
    """Completions and chat, as vLLM writes them."""

    framing: Literal["sse"] = "sse"

    def __init__(self, *, chat: bool) -> None:
        self._chat = chat

    def event(self, asked: Asked, manner: Manner, first: int, last: int, total: int) -> bytes:
        reason = finish(manner, asked, total) if last >= total else None
        text = text_of(first, last, manner)
        page = self._page(asked, self._choice(text, reason, manner.reasoning and last <= total / 2))
        if asked.continuous_usage and manner.continuous_usage and manner.usage:
            page["usage"] = usage_of(asked, last)
        return encode(page)

    def early(self, asked: Asked) -> bytes:
        role = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return encode(self._page(asked, role if self._chat else self._choice("", None, False)))

    def ending(self, asked: Asked, manner: Manner, total: int) -> list[bytes]:
        events = [b"[DONE]"]
        if total == 0:
            choice = self._choice("", finish(manner, asked, total), False)
            events.insert(0, encode(self._page(asked, choice)))
        if asked.usage and manner.usage:
            page = self._page(asked, None) | {"usage": usage_of(asked, total)}
            events.insert(-1, encode(page))
        return events

    def error(self, message: str) -> bytes:
        return encode({"error": {"message": message, "type": "InternalServerError", "code": 500}})

    def whole(self, asked: Asked, manner: Manner, total: int) -> bytes:
        text = text_of(1, total, manner)
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish(manner, asked, total)}
        if self._chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        page = self._page(asked, choice)
        page["object"] = "chat.completion" if self._chat else "text_completion"
        return encode(page | {"usage": usage_of(asked, total)} if manner.usage else page)

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": {"message": message, "type": "simulated", "code": status}})

    def _choice(self, text: str, reason: str | None, reasoning: bool) -> dict[str, Any]:
        if not self._chat:
            return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        delta = {"reasoning_content" if reasoning else "content": text}
        return {"index": 0, "delta": delta, "finish_reason": reason}

    def _page(self, asked: Asked, choice: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": "cmpl-simulated",
            "object": "chat.completion.chunk" if self._chat else "text_completion",
            "created": 1700000000,
            "model": asked.model,
            "choices": [] if choice is None else [choice],
        }
