"""Finds a dialect by the name that a configuration gives it."""

from collections.abc import Collection

from llmbench.apis.anthropic_messages import AnthropicMessages
from llmbench.apis.llama_cpp import LlamaCpp
from llmbench.apis.ollama import Ollama
from llmbench.apis.openai_chat import OpenAIChat
from llmbench.apis.openai_completions import OpenAICompletions
from llmbench.apis.openai_responses import OpenAIResponses
from llmbench.apis.pooling.openai_embeddings import OpenAIEmbeddings
from llmbench.apis.pooling.rerank import Rerank
from llmbench.apis.protocol import Dialect, PoolingDialect
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
        OpenAIResponses(),
        AnthropicMessages(),
        LlamaCpp(),
        Tgi(),
        SGLang(),
        Ollama(),
        Triton(),
        OpenAIEmbeddings(),
        Rerank(),
    )
}

_CHAT = {
    "openai-completions-plain": "openai-chat-plain",
    "trtllm-completions": "trtllm-chat",
} | dict.fromkeys(("openai-completions", "llama.cpp", "tgi", "sglang", "ollama"), "openai-chat")
"""The chat endpoint of the servers that speak each dialect."""

_OF_SCHEMAS = ("openai-chat", "openai-chat-plain", "trtllm-chat", "openai-responses")
"""Those whose requests can have a JSON schema for the answer."""

_OF_IMAGES = (*_OF_SCHEMAS, "anthropic-messages")
"""The same for images beside the prompt."""

_COMPLETIONS = {
    "openai-chat-plain": "openai-completions-plain",
    "trtllm-chat": "trtllm-completions",
} | dict.fromkeys(("openai-chat", "llama.cpp", "tgi", "sglang", "ollama"), "openai-completions")
"""The same for OpenAI's completions."""

NAMES: tuple[str, ...] = tuple(_DIALECTS)
"""The names of all dialects, as a model's ``api`` key or ``--llm-api`` gives them."""


def dialect(name: str) -> Dialect:
    """The dialect called `name`; a `ConfigError` for an unknown one suggests the nearest name."""
    try:
        return _DIALECTS[name]
    except KeyError:
        raise ConfigError(f"unknown API {name!r}{nearest(name, list(NAMES))}") from None


def generates(name: str) -> bool:
    """Whether answers of the dialect called `name` hold tokens; else each input has a result."""
    return not isinstance(dialect(name), PoolingDialect)


GENERATING: tuple[str, ...] = tuple(filter(generates, NAMES))
"""The names of those whose answers hold tokens."""


def schema_api(name: str) -> str:
    """The dialect in which a server of the dialect `name` takes a JSON schema for its answers.

    `ConfigError` where it takes none.
    """
    return _api_with(_OF_SCHEMAS, "schema for answers", name)


def image_api(name: str) -> str:
    """The same for images beside the prompt."""
    return _api_with(_OF_IMAGES, "images", name)


def _api_with(takers: Collection[str], what: str, name: str) -> str:
    """The dialect `name` or the chats of its servers, whichever is of those that take `what`."""
    if name in takers:
        return name
    try:
        return sibling(name, chat=True)
    except ConfigError:
        raise ConfigError(
            f"api {name!r}: its servers take no {what}; give the api of one that does"
            f" ({', '.join(takers)})"
        ) from None


def sibling(name: str, *, chat: bool) -> str:
    """The dialect of chats, or of OpenAI's completions, that a server of the dialect `name` speaks.

    `ConfigError` where its servers have no such endpoint.
    """
    siblings = _CHAT if chat else _COMPLETIONS
    if name in siblings.values():
        return name
    if name not in siblings:
        what = "chats" if chat else "completions"
        raise ConfigError(
            f"api {name!r}: it carries no {what} in OpenAI's form, which this traffic is made of;"
            f" give the api of an endpoint that does ({', '.join(sorted({*siblings.values()}))})"
        )
    return siblings[name]
