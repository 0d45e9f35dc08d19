"""The dialects whose events are named: OpenAI's responses and Anthropic's messages."""

from typing import Any, Literal

import msgspec

from llmbench.simulator.asked import Asked
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told
from llmbench.simulator.texts.vocabulary import answer_from, text_of

encode = msgspec.json.encode


class ResponsesFormat:
    """Writes OpenAI's ``/v1/responses`` as llama.cpp does; the last event repeats the answer."""

    framing: Literal["sse"] = "sse"
    named = True

    def opening(self, asked: Asked, manner: Manner) -> list[bytes]:
        begun = {"id": "resp_simulated", "object": "response", "status": "in_progress"}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
        return [
            encode({"type": "response.created", "response": begun}),
            encode({"type": "response.output_item.added", "output_index": 0, "item": item}),
        ]

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        kind = "reasoning_text" if manner.reasoning and last <= total / 2 else "output_text"
        text = text_of(first, last, manner, asked.mark, total)
        page = {"type": f"response.{kind}.delta", "item_id": "msg_1", "output_index": 0}
        return encode(page | {"delta": text})

    def early(self, asked: Asked) -> bytes:
        part = {"type": "output_text", "text": ""}
        return encode({"type": "response.content_part.added", "item_id": "msg_1", "part": part})

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        text = text_of(answer_from(total, manner), total, manner, asked.mark, total)
        done = {"type": "response.output_text.done", "item_id": "msg_1", "text": text}
        last = {"type": "response.completed", "response": self._response(asked, manner, total)}
        if total >= asked.tokens:
            last["type"] = "response.incomplete"
        return [encode(done), encode(last)]

    def error(self, message: str) -> bytes:
        return encode({"type": "error", "code": "server_error", "message": message})

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        return encode(self._response(asked, manner, total))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": {"message": message, "type": "simulated", "code": status}})

    def _response(self, asked: Asked, manner: Manner, total: int) -> dict[str, Any]:
        cut_off = total >= asked.tokens
        answer = answer_from(total, manner)
        text = text_of(answer, total, manner, asked.mark, total)
        output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
        if manner.reasoning:
            thought = {"type": "reasoning_text", "text": text_of(1, answer - 1, manner)}
            output.insert(0, {"type": "reasoning", "content": [thought]})
        page: dict[str, Any] = {
            "id": "resp_simulated",
            "object": "response",
            "model": asked.model,
            "status": "incomplete" if cut_off else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut_off else None,
            "error": None,
            "output": output if total else [],
        }
        usage = {
            "input_tokens": asked.prompt_tokens,
            "input_tokens_details": {"cached_tokens": asked.cached_tokens or 0},
            "output_tokens": total,
            "total_tokens": asked.prompt_tokens + total,
        }
        return page | ({"usage": usage} if manner.usage else {})


class MessagesFormat:
    """Writes Anthropic's ``/v1/messages``; the input is counted at the start, output at the end."""

    framing: Literal["sse"] = "sse"
    named = True

    def opening(self, asked: Asked, manner: Manner) -> list[bytes]:
        message = self._message(asked, manner, [], None, 1)
        block = {"type": "text", "text": ""}
        return [
            encode({"type": "message_start", "message": message}),
            encode({"type": "content_block_start", "index": 0, "content_block": block}),
        ]

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        kind = "thinking" if manner.reasoning and last <= total / 2 else "text"
        text = text_of(first, last, manner, asked.mark, total)
        delta = {"type": f"{kind}_delta", kind: text}
        return encode({"type": "content_block_delta", "index": 0, "delta": delta})

    def early(self, asked: Asked) -> bytes:
        return encode({"type": "ping"})

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        delta = {"stop_reason": self._reason(asked, total), "stop_sequence": None}
        page: dict[str, Any] = {"type": "message_delta", "delta": delta}
        return [
            encode({"type": "content_block_stop", "index": 0}),
            encode(page | ({"usage": {"output_tokens": total}} if manner.usage else {})),
            encode({"type": "message_stop"}),
        ]

    def error(self, message: str) -> bytes:
        return self.error_body(500, message)

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        answer = answer_from(total, manner)
        text = text_of(answer, total, manner, asked.mark, total)
        content = [{"type": "text", "text": text}] if total else []
        if manner.reasoning:
            thought = text_of(1, answer - 1, manner)
            content.insert(0, {"type": "thinking", "thinking": thought})
        reason = self._reason(asked, total)
        return encode(self._message(asked, manner, content, reason, total))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"type": "error", "error": {"type": "api_error", "message": message}})

    def _reason(self, asked: Asked, total: int) -> str:
        return "max_tokens" if total >= asked.tokens else "end_turn"

    def _message(
        self, asked: Asked, manner: Manner, content: list[Any], reason: str | None, tokens: int
    ) -> dict[str, Any]:
        page = {
            "id": "msg_simulated",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": content,
            "stop_reason": reason,
        }
        cached = asked.cached_tokens or 0
        usage = {
            "input_tokens": asked.prompt_tokens - cached,
            "cache_read_input_tokens": cached,
            "output_tokens": tokens,
        }
        return page | ({"usage": usage} if manner.usage else {})
