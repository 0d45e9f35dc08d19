"""Recognises engines by the pages that only they have."""

import re
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from llmbench.servers.detection.json_pages import Pages

Tokenize = Literal["vllm", "llama.cpp", "tgi", "lmdeploy"]
"""Whose way of asking for a text's tokens the server understands."""


class Engine(Struct, frozen=True):
    """What a server's pages say about it; `tokenizers` are paths and hub ids, the likeliest first.

    `apis` are the dialects to try in turn. `context_tokens` bounds the prompt and the answer of
    one request together; None: not told.
    """

    name: str
    apis: tuple[str, ...]
    version: str | None = None
    models: tuple[str, ...] = ()
    context_tokens: int | None = None
    tokenizers: tuple[str, ...] = ()
    tokenize: Tokenize | None = None


def recognise(pages: Pages) -> Engine | None:
    """The engine behind the pages; None where they are no model server's."""
    return next((engine for ask in _RECOGNISERS if (engine := ask(pages)) is not None), None)


def _simulator(pages: Pages) -> Engine | None:
    if pages.table("/info").get("simulated") is not True:
        return None
    models = _names(pages)
    return Engine("the simulator", ("openai-completions",), None, models, tokenize="vllm")


def _llama_cpp(pages: Pages) -> Engine | None:
    props = pages.table("/props")
    settings = props.get("default_generation_settings")
    if not isinstance(settings, dict):
        return None
    models = _names(pages)
    return Engine(
        "llama.cpp",
        ("llama.cpp",),
        _text(props.get("build_info")),
        models or ("default",),
        _count(settings.get("n_ctx")),
        _texts(props.get("model_path"), *models),
        "llama.cpp",
    )


def _vllm(pages: Pages) -> Engine | None:
    if not _owned(pages, "vllm"):
        return None
    return _openai_engine(pages, "vLLM", "openai-completions", "vllm")


def _sglang(pages: Pages) -> Engine | None:
    told = pages.table("/get_server_info")
    if not (told.get("tokenizer_path") or _owned(pages, "sglang")):
        return None
    models = _names(pages) or _texts(told.get("served_model_name"), told.get("model_path"))[:1]
    return Engine(
        "SGLang",
        ("sglang",),
        _text(told.get("version")),
        models,
        _count(told.get("context_length")) or _longest(pages),
        _texts(told.get("tokenizer_path"), told.get("model_path"), *models),
        "vllm",
    )


def _tgi(pages: Pages) -> Engine | None:
    told = pages.table("/info")
    if "model_id" not in told or not ({"router", "max_total_tokens", "docker_label"} & set(told)):
        return None
    models = _texts(told["model_id"])
    longest = _count(told.get("max_total_tokens"))
    return Engine("TGI", ("tgi",), _text(told.get("version")), models, longest, models, "tgi")


def _lmdeploy(pages: Pages) -> Engine | None:
    if not _owned(pages, "lmdeploy"):
        return None
    return _openai_engine(pages, "LMDeploy", "openai-completions", "lmdeploy")


def _tensorrt(pages: Pages) -> Engine | None:
    if not _owned(pages, "tensorrt_llm"):
        return None
    return _openai_engine(pages, "TensorRT-LLM", "trtllm-completions", None)


def _ollama(pages: Pages) -> Engine | None:
    version = _text(pages.table("/api/version").get("version"))
    listed = _rows(pages.table("/api/tags"), "models")
    if version is None or "models" not in pages.table("/api/tags"):
        return None
    loaded = _rows(pages.table("/api/ps"), "models")
    models = _texts(*(row.get("name") for row in loaded or listed))
    longest = _count(loaded[0].get("context_length")) if len(loaded) == 1 else None
    return Engine("Ollama", ("ollama",), version, models, longest)


def _triton(pages: Pages) -> Engine | None:
    told = pages.table("/v2")
    if told.get("name") != "triton":
        return None
    index = pages.post("/v2/repository/index", {"ready": True})
    rows = [row for row in index if isinstance(row, dict)] if isinstance(index, list) else []
    names = _texts(*(row.get("name") for row in rows))
    models = ("ensemble",) if "ensemble" in names else names
    return Engine("Triton", ("triton",), _text(told.get("version")), models)


def _lm_studio(pages: Pages) -> Engine | None:
    rows = _rows(pages.table("/api/v0/models"), "data")
    loaded = [row for row in rows if row.get("state") == "loaded"]
    if not rows:
        return None
    models = _texts(*(row.get("id") for row in loaded or rows))
    longest = _count(loaded[0].get("loaded_context_length")) if len(loaded) == 1 else None
    return Engine("LM Studio", ("openai-completions",), None, models, longest, models)


def _transformers(pages: Pages) -> Engine | None:
    """``transformers serve`` lists the models of its cache; the one it is pinned to it only names
    when another is asked for."""
    paths = pages.table("/openapi.json").get("paths")
    if not isinstance(paths, dict) or not {"/load_model", "/v1/responses"} <= set(paths):
        return None
    refusal = pages.post("/v1/completions", {"model": "?", "prompt": "?", "max_tokens": 1})
    detail = refusal.get("detail") if isinstance(refusal, dict) else None
    pinned = re.search(r"pinned to '(.+?)'", str(detail))
    models = (pinned[1],) if pinned else _names(pages)
    return Engine("transformers", ("openai-chat",), None, models, None, models)


def _any_openai(pages: Pages) -> Engine | None:
    """A server of OpenAI's API that says no more about itself."""
    if not isinstance(pages.table("/v1/models").get("data"), list):
        return None
    models = _names(pages)
    apis = ("openai-completions", "openai-chat")
    name = "a server of OpenAI's API"
    return Engine(name, apis, None, models, _longest(pages), models, "vllm")


_RECOGNISERS: tuple[Callable[[Pages], Engine | None], ...] = (
    _simulator,
    _llama_cpp,
    _vllm,
    _sglang,
    _tgi,
    _lmdeploy,
    _tensorrt,
    _ollama,
    _triton,
    _lm_studio,
    _transformers,
    _any_openai,
)


def _openai_engine(pages: Pages, name: str, api: str, tokenize: Tokenize | None) -> Engine:
    models = _names(pages)
    roots = (row.get("root") for row in _served(pages))
    version = _text(pages.table("/version").get("version"))
    candidates = _texts(*roots, *models)
    return Engine(name, (api,), version, models, _longest(pages), candidates, tokenize)


def _served(pages: Pages) -> list[dict[str, Any]]:
    """The models of OpenAI's list, without the adapters that hang on another one."""
    return [row for row in _rows(pages.table("/v1/models"), "data") if not row.get("parent")]


def _names(pages: Pages) -> tuple[str, ...]:
    return _texts(*(row.get("id") for row in _served(pages)))


def _owned(pages: Pages, owner: str) -> bool:
    return any(row.get("owned_by") == owner for row in _served(pages))


def _longest(pages: Pages) -> int | None:
    """The context that the first model of OpenAI's list has."""
    return next((_count(row.get("max_model_len")) for row in _served(pages)), None)


def _rows(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = table.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _texts(*values: Any) -> tuple[str, ...]:
    """The values that are texts, each once."""
    return tuple(dict.fromkeys(text for value in values if (text := _text(value)) is not None))


def _text(value: Any) -> str | None:
    """`value` if it is a text that can be shown; a server's may hold a terminal's commands."""
    return value if isinstance(value, str) and value and value.isprintable() else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
