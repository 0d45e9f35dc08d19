"""The pages on which real engines say what they are, for a simulator that passes for one."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

CONTEXT_TOKENS = 4096
VERSION = "0.0.0-simulated"

Page = Any
"""What a page holds, to be sent as JSON."""

_OPENAI = frozenset({"/v1/completions", "/v1/chat/completions"})
_MORE = _OPENAI | {"/v1/responses", "/v1/messages"}


class Likeness(Struct, frozen=True):
    """An engine's pages for a model's name, by method and path, and where it takes completions."""

    pages: Callable[[str], dict[tuple[str, str], Page]]
    completions: frozenset[str] = _OPENAI
    tokenize: str | None = "/tokenize"


def _listed(model: str, owner: str, **more: Any) -> Page:
    row = {"id": model, "object": "model", "created": 1700000000, "owned_by": owner}
    return {"object": "list", "data": [row | more]}


def _vllm(model: str) -> dict[tuple[str, str], Page]:
    listed = _listed(model, "vllm", root=model, parent=None, max_model_len=CONTEXT_TOKENS)
    return {("GET", "/v1/models"): listed, ("GET", "/version"): {"version": VERSION}}


def _llama_cpp(model: str) -> dict[tuple[str, str], Page]:
    props = {
        "default_generation_settings": {"n_ctx": CONTEXT_TOKENS, "params": {}},
        "total_slots": 4,
        "build_info": VERSION,
        "model_path": f"/models/{model}.gguf",
    }
    return {("GET", "/v1/models"): _listed(model, "llamacpp"), ("GET", "/props"): props}


def _sglang(model: str) -> dict[tuple[str, str], Page]:
    told = {
        "model_path": model,
        "tokenizer_path": model,
        "version": VERSION,
        "context_length": CONTEXT_TOKENS,
    }
    listed = _listed(model, "sglang", root=model, max_model_len=CONTEXT_TOKENS)
    return {("GET", "/v1/models"): listed, ("GET", "/get_server_info"): told}


def _tgi(model: str) -> dict[tuple[str, str], Page]:
    told = {"model_id": model, "version": VERSION, "router": "text-generation-router"}
    return {("GET", "/info"): told | {"max_total_tokens": CONTEXT_TOKENS}}


def _lmdeploy(model: str) -> dict[tuple[str, str], Page]:
    return {("GET", "/v1/models"): _listed(model, "lmdeploy", root=model, parent=None)}


def _tensorrt(model: str) -> dict[tuple[str, str], Page]:
    listed = _listed(model, "tensorrt_llm")
    return {("GET", "/v1/models"): listed, ("GET", "/version"): {"version": VERSION}}


def _ollama(model: str) -> dict[tuple[str, str], Page]:
    loaded = {"name": model, "model": model, "context_length": CONTEXT_TOKENS}
    others = [{"name": name, "model": name} for name in (model, "another:latest")]
    return {
        ("GET", "/api/version"): {"version": VERSION},
        ("GET", "/api/tags"): {"models": others},
        ("GET", "/api/ps"): {"models": [loaded]},
        ("GET", "/v1/models"): _listed(model, "library"),
    }


def _triton(model: str) -> dict[tuple[str, str], Page]:
    told = {"name": "triton", "version": VERSION, "extensions": ["classification"]}
    index = [{"name": model, "version": "1", "state": "READY"}]
    return {("GET", "/v2"): told, ("POST", "/v2/repository/index"): index}


def _openai(model: str) -> dict[tuple[str, str], Page]:
    return {("GET", "/v1/models"): _listed(model, "somebody")}


LIKENESSES = {
    "vllm": Likeness(_vllm, _MORE),
    "llama.cpp": Likeness(_llama_cpp, _MORE | {"/completion"}),
    "sglang": Likeness(_sglang, _OPENAI | {"/generate"}),
    "tgi": Likeness(_tgi, frozenset({"/generate", "/generate_stream"})),
    "lmdeploy": Likeness(_lmdeploy, _OPENAI, "/v1/encode"),
    "tensorrt-llm": Likeness(_tensorrt, _OPENAI, None),
    "ollama": Likeness(_ollama, _OPENAI | {"/api/generate"}, None),
    "triton": Likeness(_triton, frozenset({"/v2"}), None),
    "openai": Likeness(_openai, frozenset({"/v1/chat/completions"}), None),
}
"""By the name of the engine; ``openai`` is a gateway that knows chats only."""
