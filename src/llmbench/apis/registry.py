"""Finds a dialect by the name that a configuration gives it."""

from llmbench.apis.llama_cpp import LlamaCpp
from llmbench.apis.ollama import Ollama
from llmbench.apis.openai_chat import OpenAIChat
from llmbench.apis.openai_completions import OpenAICompletions
from llmbench.apis.protocol import Dialect
from llmbench.apis.sglang import SGLang
from llmbench.apis.tgi import Tgi
from llmbench.apis.triton import Triton
from llmbench.config import ConfigError
from llmbench.value_types import nearest

_DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        OpenAICompletions("openai-completions"),
        OpenAICompletions("openai-completions-plain", "none"),
        OpenAICompletions("trtllm-completions", "length"),
        OpenAIChat("openai-chat"),
        OpenAIChat("openai-chat-plain", "none"),
        OpenAIChat("trtllm-chat", "length"),
        LlamaCpp(),
        Tgi(),
        SGLang(),
        Ollama(),
        Triton(),
    )
}

NAMES: tuple[str, ...] = tuple(_DIALECTS)
"""The names of all dialects, as a model's ``api`` key or ``--llm-api`` gives them."""


def dialect(name: str) -> Dialect:
    """The dialect called `name`; a `ConfigError` for an unknown one suggests the nearest name."""
    try:
        return _DIALECTS[name]
    except KeyError:
        raise ConfigError(f"unknown API {name!r}{nearest(name, list(NAMES))}") from None
