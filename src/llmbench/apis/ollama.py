"""The dialect of Ollama's ``/api/generate``, which streams one JSON object on each line.

``num_predict`` is only an upper bound, so outputs may be shorter than asked. The prompt cache
can't be switched off; only distinct prompts avoid it.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.protocol import (
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


class _Line(Struct, gc=False):
    response: str = ""
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    load_duration: int | None = None
    total_duration: int | None = None
    error: Trouble = None


class Ollama:
    """Sends ``raw``, so that the prompt arrives as it is, without the model's template."""

    name = "ollama"
    framing: Literal["ndjson"] = "ndjson"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Line).decode

    def path(self, ask: Ask) -> str:
        return "/api/generate"

    def body(self, ask: Ask) -> dict[str, Any]:
        options = {
            "num_predict": ask.output_tokens,
            "temperature": ask.temperature,
            "seed": ask.seed,
        }
        return {
            "model": ask.model,
            "prompt": ask.prompt,
            "raw": True,
            "stream": ask.stream,
            "keep_alive": -1,
            "options": options,
        }

    def event(self, data: bytes) -> Event:
        line = self._decode(data)
        if line.error and (trouble := words(line.error)):
            return Event(error=trouble)
        if not line.done:
            return TEXT if line.response else REASONING if line.thinking else NOTHING
        return Event(
            text=bool(line.response),
            reasoning=bool(line.thinking),
            end=True,
            output_tokens=line.eval_count,
            input_tokens=line.prompt_eval_count,
            finish_reason=line.done_reason,
            queue_ms=_ms(line.load_duration),
            prompt_ms=_ms(line.prompt_eval_duration),
            decode_ms=_ms(line.eval_duration),
            total_ms=_ms(line.total_duration),
        )

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        return self.event(data)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def _ms(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6
