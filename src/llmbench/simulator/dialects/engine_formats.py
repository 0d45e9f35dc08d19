"""The formats of the engines' own dialects: TGI, llama.cpp, SGLang, Ollama, Triton."""

from typing import Any, Literal

import msgspec

from llmbench.simulator.asked import Asked
from llmbench.simulator.dialects.engine_words import (
    llama_timings,
    ollama_durations,
    sglang_meta,
)
from llmbench.simulator.dialects.unnamed import Unnamed
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told
from llmbench.simulator.texts.vocabulary import text_of

encode = msgspec.json.encode


class TgiFormat(Unnamed):
    """Writes one event for each token and no terminator, as TGI 0.9.4 and 3 do."""

    framing: Literal["sse"] = "sse"

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        text = text_of(first, last, manner, asked.mark, total)
        token = {"id": 1000 + last, "text": text, "logprob": -0.5, "special": False}
        page: dict[str, Any] = {} if manner.tgi_version == "0.9.4" else {"index": last}
        page |= {"token": token, "generated_text": None, "details": None}
        return encode(page | self._last(asked, manner, total) if last >= total else page)

    def early(self, asked: Asked) -> bytes:
        return encode({"token": None, "generated_text": None, "details": None})

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        return [encode(self._last(asked, manner, 0))] if total == 0 else []

    def error(self, message: str) -> bytes:
        return encode({"error": message, "error_type": "generation"})

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        return encode(self._last(asked, manner, total))

    def error_body(self, status: int, message: str) -> bytes:
        kind = {422: "validation", 429: "overloaded", 503: "healthcheck"}.get(status, "generation")
        return encode({"error": message, "error_type": kind})

    def _last(self, asked: Asked, manner: Manner, total: int) -> dict[str, Any]:
        details: dict[str, Any] = {
            "finish_reason": "length" if total >= asked.tokens else "eos_token",
            "generated_tokens": total,
            "seed": None,
        }
        if manner.tgi_version != "0.9.4":
            details["input_length"] = asked.prompt_tokens
        has_details = asked.details and manner.usage
        return {
            "generated_text": text_of(1, total, manner, asked.mark, total),
            "details": details if has_details else None,
        }


class LlamaCppFormat(Unnamed):
    """Writes llama.cpp's ``/completion``; its last event has counts instead of a token."""

    framing: Literal["sse"] = "sse"

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        text = text_of(first, last, manner, asked.mark, total)
        tokens = list(range(1000 + first, 1001 + last))
        return encode({"index": 0, "content": text, "tokens": tokens, "stop": False})

    def early(self, asked: Asked) -> bytes:
        return encode({"index": 0, "content": "", "tokens": [], "stop": False})

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        return [encode(self._last(asked, manner, total, "", account))]

    def error(self, message: str) -> bytes:
        return self.error_body(500, message)

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        text = text_of(1, total, manner, asked.mark, total)
        return encode(self._last(asked, manner, total, text, account))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": {"code": status, "message": message, "type": "server_error"}})

    def _last(
        self, asked: Asked, manner: Manner, total: int, text: str, account: Told
    ) -> dict[str, Any]:
        page: dict[str, Any] = {
            "index": 0,
            "content": text,
            "tokens": [],
            "stop": True,
            "stop_type": "limit" if total >= asked.tokens else "eos",
        }
        counts = {
            "tokens_predicted": total,
            "tokens_evaluated": asked.prompt_tokens,
            "tokens_cached": asked.prompt_tokens + total,
        }
        return page | (counts if manner.usage else {}) | llama_timings(account, asked, total)


class SGLangFormat(Unnamed):
    """Writes SGLang's ``/generate``, each of whose events repeats the text so far."""

    framing: Literal["sse"] = "sse"

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        text = text_of(1 if manner.cumulative else first, last, manner, asked.mark, total)
        return encode(self._page(asked, manner, last, last >= total, text, account))

    def early(self, asked: Asked) -> bytes:
        return encode(self._page(asked, Manner(), 0, False, ""))

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        last = [encode(self._page(asked, manner, 0, True, "", account))] if total == 0 else []
        return [*last, b"[DONE]"]

    def error(self, message: str) -> bytes:
        return self.error_body(500, message)

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        text = text_of(1, total, manner, asked.mark, total)
        return encode(self._page(asked, manner, total, True, text, account))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": {"message": message}})

    def _page(
        self,
        asked: Asked,
        manner: Manner,
        tokens: int,
        last: bool,
        text: str,
        account: Told = None,
    ) -> dict[str, Any]:
        kind = "length" if tokens >= asked.tokens else "stop"
        meta: dict[str, Any] = {
            "id": "simulated",
            "finish_reason": {"type": kind, "length": tokens} if last else None,
        }
        counts = {
            "prompt_tokens": asked.prompt_tokens,
            "completion_tokens": tokens,
            "cached_tokens": asked.cached_tokens or 0,
        }
        times = sglang_meta(account) if account and last else {}
        return {"text": text, "meta_info": meta | (counts if manner.usage else {}) | times}


class OllamaFormat(Unnamed):
    """Writes Ollama's ``/api/generate``: a JSON object on each line, the last without a token."""

    framing: Literal["ndjson"] = "ndjson"

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        return encode(self._line(asked, text_of(first, last, manner, asked.mark, total)))

    def early(self, asked: Asked) -> bytes:
        return encode(self._line(asked, ""))

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        return [encode(self._last(asked, manner, total, "", account))]

    def error(self, message: str) -> bytes:
        return encode({"error": message})

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        text = text_of(1, total, manner, asked.mark, total)
        return encode(self._last(asked, manner, total, text, account))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": message})

    def _line(self, asked: Asked, text: str) -> dict[str, Any]:
        created = "2026-01-01T00:00:00Z"
        return {"model": asked.model, "created_at": created, "response": text, "done": False}

    def _last(
        self, asked: Asked, manner: Manner, total: int, text: str, account: Told
    ) -> dict[str, Any]:
        reason = "length" if total >= asked.tokens else "stop"
        page = self._line(asked, text) | {"done": True, "done_reason": reason}
        counts = {"prompt_eval_count": asked.prompt_tokens, "eval_count": total}
        times = ollama_durations(account) if account else {}
        return page | (counts if manner.usage else {}) | times


class TritonFormat(Unnamed):
    """Writes Triton's generate extension, which has texts but no counts and no terminator."""

    framing: Literal["sse"] = "sse"

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        return encode(self._page(asked, text_of(first, last, manner, asked.mark, total)))

    def early(self, asked: Asked) -> bytes:
        return encode(self._page(asked, ""))

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        return []

    def error(self, message: str) -> bytes:
        return encode({"error": message})

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        return encode(self._page(asked, text_of(1, total, manner, asked.mark, total)))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": message})

    def _page(self, asked: Asked, text: str) -> dict[str, Any]:
        return {"model_name": asked.model, "model_version": "1", "text_output": text}
