"""Engines by their pages: as real ones show them, and as the simulator shows them."""

from typing import Any

import httpx
import msgspec
import pytest

from llmbench.servers.detection.engines import Engine, recognise
from llmbench.servers.detection.json_pages import Pages
from llmbench.simulator.dialects.engine_pages import LIKENESSES, VERSION

Shown = dict[tuple[str, str], Any]


def pages(shown: Shown, refused: int = 404) -> Pages:
    def answer(request: httpx.Request) -> httpx.Response:
        page = shown.get((request.method, request.url.path))
        status, body = (refused, {"detail": "Not Found"}) if page is None else (200, page)
        return httpx.Response(status, content=iter([msgspec.json.encode(body)]))

    return Pages(httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer)))


def told(engine: str) -> Engine | None:
    return recognise(pages(LIKENESSES[engine].pages("org/m")))


@pytest.mark.parametrize(
    ("engine", "name", "apis", "context", "way"),
    [
        ("vllm", "vLLM", ("openai-completions",), 4096, "vllm"),
        ("llama.cpp", "llama.cpp", ("llama.cpp",), 4096, "llama.cpp"),
        ("sglang", "SGLang", ("sglang",), 4096, "vllm"),
        ("tgi", "TGI", ("tgi",), 4096, "tgi"),
        ("lmdeploy", "LMDeploy", ("openai-completions",), None, "lmdeploy"),
        ("tensorrt-llm", "TensorRT-LLM", ("trtllm-completions",), None, None),
        ("ollama", "Ollama", ("ollama",), 4096, None),
        ("triton", "Triton", ("triton",), None, None),
        (
            "openai",
            "a server of OpenAI's API",
            ("openai-completions", "openai-chat"),
            None,
            "vllm",
        ),
    ],
)
def test_an_engine_is_known_by_its_pages(
    engine: str, name: str, apis: tuple[str, ...], context: int | None, way: str | None
) -> None:
    found = told(engine)
    assert found is not None
    assert (found.name, found.apis, found.models) == (name, apis, ("org/m",))
    assert (found.context_tokens, found.tokenize) == (context, way)
    assert found.version == (None if engine in ("lmdeploy", "openai") else VERSION)


def test_a_real_vllm() -> None:
    row = {
        "id": "smol",
        "object": "model",
        "owned_by": "vllm",
        "root": "/models/smol",
        "parent": None,
        "max_model_len": 2048,
    }
    adapter = row | {"id": "poet", "root": "/adapters/poet", "parent": "smol"}
    listed = {"object": "list", "data": [row, adapter]}
    found = recognise(
        pages({("GET", "/v1/models"): listed, ("GET", "/version"): {"version": "0.32.0"}})
    )
    assert found == Engine(
        "vLLM",
        ("openai-completions",),
        "0.32.0",
        ("smol",),
        2048,
        ("/models/smol", "smol"),
        "vllm",
    )


def test_transformers_names_its_model_in_refusing_another() -> None:
    paths: Any = {"/load_model": {}, "/v1/responses": {}, "/v1/chat/completions": {}}
    refusal = {"detail": "Server is pinned to '/models/smol'; requested '?'."}
    found = recognise(
        pages(
            {("GET", "/openapi.json"): {"paths": paths}, ("POST", "/v1/completions"): refusal},
            refused=500,  # as its list of models is, where its cache isn't there
        )
    )
    assert found is not None
    assert (found.name, found.apis, found.models) == (
        "transformers",
        ("openai-chat",),
        ("/models/smol",),
    )


def test_lm_studio_by_what_it_has_loaded() -> None:
    rows = [
        {"id": "a", "state": "not-loaded"},
        {"id": "b", "state": "loaded", "loaded_context_length": 8192},
    ]
    found = recognise(pages({("GET", "/api/v0/models"): {"data": rows}}))
    assert found is not None
    assert (found.name, found.models, found.context_tokens) == ("LM Studio", ("b",), 8192)


@pytest.mark.parametrize("page", [[1], {"data": 5}, {"data": [None, {"id": 7}]}, "text", None])
def test_pages_in_other_shapes_are_no_model_server_s(page: Any) -> None:
    paths = ("/v1/models", "/props", "/info", "/get_server_info", "/api/version", "/api/tags")
    found = recognise(pages({("GET", path): page for path in (*paths, "/v2", "/openapi.json")}))
    assert found is None or found.models == ()


def test_a_page_that_wants_a_key_is_noted() -> None:
    asked = pages({}, refused=401)
    assert recognise(asked) is None
    assert asked.denied


def test_words_that_a_terminal_would_obey_are_not_shown() -> None:
    listed = {"data": [{"id": "\x1b[2Jm", "owned_by": "vllm"}, {"id": "m", "owned_by": "vllm"}]}
    found = recognise(pages({("GET", "/v1/models"): listed}))
    assert found is not None
    assert found.models == ("m",)
