"""Reads what a completion request asks for, in any dialect."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.simulator.manner import Manner
from llmbench.simulator.texts.rendered import count_tokens, text_in


class Asked(Struct, frozen=True):
    """A request in terms common to all dialects."""

    dialect: str
    model: str
    prompt_tokens: int
    tokens: int
    stream: bool
    usage: bool = True
    continuous_usage: bool = False
    details: bool = True  # TGI's parameter of that name
    cached_tokens: int | None = None  # of the prompt; None: the server has no prefix cache
    inputs: int = 0  # that get a result each, instead of tokens
    mark: str = ""  # with which the answer begins, where conversations are checked


class NotAsked(ValueError):
    """The body is not a request of the dialect; the message says why."""


_TRITON = re.compile(r"/v2/models/([^/]+)/(generate|generate_stream)")


def is_completion(path: str) -> bool:
    """Whether `path` is one of the completion endpoints."""
    return path in _READERS or _TRITON.fullmatch(path) is not None


def read_ask(path: str, body: bytes, model: str) -> Asked:
    """The request to `path`; `NotAsked` when the body is not what that endpoint takes."""
    try:
        page = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotAsked(f"the body is not JSON: {error}") from None
    if not isinstance(page, dict):
        raise NotAsked("the body is not a JSON object")
    triton = _TRITON.fullmatch(path)
    try:
        if triton is not None:
            return _triton(page, triton[1], triton[2] == "generate_stream")
        return _READERS[path](page, model)
    except (LookupError, TypeError, ValueError) as error:
        raise NotAsked(f"the body lacks or misuses {error}") from None


def refused_fields(body: bytes, manner: Manner) -> list[str]:
    """The fields of a request that the server is made to refuse."""
    if not manner.refuses:
        return []
    page = msgspec.json.decode(body)
    return [name for name in manner.refuses if name in page]


def _openai(page: dict[str, Any], model: str, *, chat: bool) -> Asked:
    options = page.get("stream_options") or {}
    stream = bool(page.get("stream", False))
    limit = page.get("max_tokens") or page.get("max_completion_tokens") or 16
    return Asked(
        "openai-chat" if chat else "openai-completions",
        page.get("model") or model,
        count_tokens(page["messages" if chat else "prompt"]),
        int(limit),
        stream,
        usage=not stream or bool(options.get("include_usage")),
        continuous_usage=bool(options.get("continuous_usage_stats")),
    )


def _responses(page: dict[str, Any], model: str) -> Asked:
    limit, prompt = page.get("max_output_tokens") or 16, count_tokens(page["input"])
    first = page.get("instructions")
    return Asked(
        "openai-responses",
        page.get("model") or model,
        prompt + (count_tokens(first) if first else 0),
        int(limit),
        bool(page.get("stream", False)),
    )


def _messages(page: dict[str, Any], model: str) -> Asked:
    prompt, first = count_tokens(page["messages"]), text_in(page.get("system"))
    return Asked(
        "anthropic-messages",
        page.get("model") or model,
        prompt + (count_tokens(first) if first else 0),
        int(page["max_tokens"]),
        bool(page.get("stream", False)),
    )


def _embeddings(page: dict[str, Any], model: str) -> Asked:
    inputs = page["input"]
    texts = inputs if isinstance(inputs, list) and not isinstance(inputs[0], int) else [inputs]
    tokens = sum(map(count_tokens, texts))
    name = page.get("model") or model
    return Asked("openai-embeddings", name, tokens, 1, stream=False, inputs=len(texts))


def _rerank(page: dict[str, Any], model: str) -> Asked:
    """Each document is read together with the query."""
    documents, query = page["documents"], count_tokens(page["query"])
    tokens = sum(query + count_tokens(document) for document in documents)
    name = page.get("model") or model
    return Asked("rerank", name, tokens, 1, stream=False, inputs=len(documents))


def _generate(page: dict[str, Any], model: str) -> Asked:
    """Read ``/generate``: it is TGI's with ``inputs``, SGLang's with ``text`` or ``input_ids``."""
    if "inputs" in page:
        return _tgi(page, model, stream=False)
    sampling = page.get("sampling_params") or {}
    prompt = page["text"] if "text" in page else page["input_ids"]
    tokens = int(sampling.get("max_new_tokens", 128))
    return Asked("sglang", model, count_tokens(prompt), tokens, bool(page.get("stream")))


def _tgi(page: dict[str, Any], model: str, *, stream: bool) -> Asked:
    parameters = page.get("parameters") or {}
    return Asked(
        "tgi",
        model,
        count_tokens(page["inputs"]),
        int(parameters.get("max_new_tokens") or 20),
        stream,
        details=bool(parameters.get("details", False)),
    )


def _llama_cpp(page: dict[str, Any], model: str) -> Asked:
    tokens = int(page.get("n_predict", 128))
    prompt = count_tokens(page["prompt"])
    return Asked("llama.cpp", model, prompt, tokens, bool(page.get("stream", False)))


def _ollama(page: dict[str, Any], model: str) -> Asked:
    tokens = int((page.get("options") or {}).get("num_predict", 128))
    prompt = count_tokens(page["prompt"])
    stream = bool(page.get("stream", True))
    return Asked("ollama", page.get("model") or model, prompt, tokens, stream)


def _triton(page: dict[str, Any], model: str, stream: bool) -> Asked:
    return Asked(
        "triton", model, count_tokens(page["text_input"]), int(page.get("max_tokens", 16)), stream
    )


_READERS = {
    "/v1/completions": lambda page, model: _openai(page, model, chat=False),
    "/v1/chat/completions": lambda page, model: _openai(page, model, chat=True),
    "/v1/responses": _responses,
    "/v1/messages": _messages,
    "/v1/embeddings": _embeddings,
    "/v1/rerank": _rerank,
    "/generate": _generate,
    "/generate_stream": lambda page, model: _tgi(page, model, stream=True),
    "/completion": _llama_cpp,
    "/api/generate": _ollama,
}
