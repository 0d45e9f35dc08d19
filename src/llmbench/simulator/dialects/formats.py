"""The events and bodies of each dialect, as the real servers write them.

A format keeps no state. Tokens are numbered from 1; an event holds tokens `first` to `last`. It
writes the engine's account of the request where its engine does, if it is told to.
"""

from typing import Literal, Protocol

from llmbench.simulator.asked import Asked
from llmbench.simulator.dialects.engine_formats import (
    LlamaCppFormat,
    OllamaFormat,
    SGLangFormat,
    TgiFormat,
    TritonFormat,
)
from llmbench.simulator.dialects.named_formats import MessagesFormat, ResponsesFormat
from llmbench.simulator.dialects.openai_format import OpenAIFormat
from llmbench.simulator.dialects.result_formats import ResultFormat, embeddings, scores
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told


class Format(Protocol):
    """The way in which one dialect writes its answers."""

    @property
    def framing(self) -> Literal["sse", "ndjson"]:
        """How a stream is made of events."""

    @property
    def named(self) -> bool:
        """Whether an event's type also stands before it, as its name."""

    def opening(self, asked: Asked, manner: Manner) -> list[bytes]:
        """The events that come with the first token, before it."""

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        """The event of some tokens of `total`, with the finish reason when it is the last."""

    def early(self, asked: Asked) -> bytes:
        """An event that comes at once and holds no token."""

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        """The events that follow the last token."""

    def error(self, message: str) -> bytes:
        """An error, as an event of a stream that has begun."""

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        """The body of an answer that is not streamed."""

    def error_body(self, status: int, message: str) -> bytes:
        """The body of an answer whose status is not a success."""


FORMATS: dict[str, Format] = {
    "openai-completions": OpenAIFormat(chat=False),
    "openai-chat": OpenAIFormat(chat=True),
    "openai-responses": ResponsesFormat(),
    "anthropic-messages": MessagesFormat(),
    "openai-embeddings": ResultFormat(embeddings),
    "rerank": ResultFormat(scores),
    "tgi": TgiFormat(),
    "llama.cpp": LlamaCppFormat(),
    "sglang": SGLangFormat(),
    "ollama": OllamaFormat(),
    "triton": TritonFormat(),
}
