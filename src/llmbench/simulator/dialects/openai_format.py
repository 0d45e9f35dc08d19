"""OpenAI's completions and chat, as vLLM writes them."""

from typing import Any, Literal

import msgspec

from llmbench.simulator.asked import Asked
from llmbench.simulator.dialects.engine_words import openai_predictions, vllm_metrics
from llmbench.simulator.dialects.unnamed import Unnamed
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told
from llmbench.simulator.texts.vocabulary import answer_from, text_of

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
        "prompt_tokens_details": {"cached_tokens": asked.cached_tokens or 0},
    }


def _accounted(page: dict[str, Any], account: Told, tokens: int) -> dict[str, Any]:
    """The last `page` with what vLLM tells of the request, and what OpenAI tells of its drafts."""
    if account is None:
        return page
    if "usage" in page:
        page["usage"] |= openai_predictions(account)
    return page | {"metrics": vllm_metrics(account, tokens)}


class OpenAIFormat(Unnamed):
    """Completions and chat, as vLLM writes them."""

    framing: Literal["sse"] = "sse"

    def __init__(self, *, chat: bool) -> None:
        self._chat = chat

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        reason = finish(manner, asked, total) if last >= total else None
        text = text_of(first, last, manner, asked.mark, total)
        page = self._page(asked, self._choice(text, reason, manner.reasoning and last <= total / 2))
        if asked.continuous_usage and manner.continuous_usage and manner.usage:
            page["usage"] = usage_of(asked, last)
        return encode(page)

    def early(self, asked: Asked) -> bytes:
        role = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return encode(self._page(asked, role if self._chat else self._choice("", None, False)))

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        events = [b"[DONE]"]
        if total == 0:
            choice = self._choice("", finish(manner, asked, total), False)
            events.insert(0, encode(self._page(asked, choice)))
        if asked.usage and manner.usage:
            page = self._page(asked, None) | {"usage": usage_of(asked, total)}
            events.insert(-1, encode(_accounted(page, account, total)))
        return events

    def error(self, message: str) -> bytes:
        return encode({"error": {"message": message, "type": "InternalServerError", "code": 500}})

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        answer = answer_from(total, manner) if self._chat else 1
        text = text_of(answer, total, manner, asked.mark, total)
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish(manner, asked, total)}
        if self._chat:
            choice["message"] = {"role": "assistant", "content": text}
            if manner.reasoning:
                choice["message"]["reasoning_content"] = text_of(1, answer - 1, manner)
        else:
            choice["text"] = text
        page = self._page(asked, choice)
        page["object"] = "chat.completion" if self._chat else "text_completion"
        if manner.usage:
            page["usage"] = usage_of(asked, total)
        return encode(_accounted(page, account, total))

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
