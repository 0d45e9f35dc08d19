"""A server of which only the URL is known, as each engine that the simulator passes for."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers

from llmbench.bench.found_server import Served, Sought, served
from llmbench.bench.grids.first_grid import first_grid
from llmbench.bench.served_tokenizer import Choice, chosen_tokenizer
from llmbench.config import ConfigError, Grid, ModelConfig, RemoteServer
from llmbench.servers.detection.engines import Engine
from tests.simulated_engines import simulated_engine

BY_SERVER = "synthetic, counted by the server's tokenizer"


@pytest.mark.parametrize(
    ("engine", "name", "api", "context", "tokenizer"),
    [
        ("vllm", "vLLM 0.0.0-simulated", "openai-completions", 4096, "server:tokenize"),
        ("llama.cpp", "llama.cpp 0.0.0-simulated", "llama.cpp", 4096, "server:tokenize"),
        ("sglang", "SGLang 0.0.0-simulated", "sglang", 4096, "server:tokenize"),
        ("tgi", "TGI 0.0.0-simulated", "tgi", 4096, "server:tokenize"),
        ("lmdeploy", "LMDeploy", "openai-completions", None, "server:tokenize"),
        (
            "tensorrt-llm",
            "TensorRT-LLM 0.0.0-simulated",
            "trtllm-completions",
            None,
            "server:usage",
        ),
        ("ollama", "Ollama 0.0.0-simulated", "ollama", 4096, "server:usage"),
        ("triton", "Triton 0.0.0-simulated", "triton", None, "server:usage"),
        ("openai", "a server of OpenAI's API", "openai-chat", None, "server:usage"),
    ],
)
def test_an_engine_is_asked_for_all(
    engine: str, name: str, api: str, context: int | None, tokenizer: str
) -> None:
    with simulated_engine(engine) as url:
        found = served(Sought(url))
    model = found.model
    assert (model.model, model.api, model.tokenizer) == ("simulated", api, tokenizer)
    assert model.server == RemoteServer(url)
    assert found.context_tokens == found.facts["context_tokens"] == context
    assert found.counter is not None and found.counter.name == tokenizer
    assert found.line.startswith(f"{url} is {name}: model simulated, api {api}")
    assert ("context 4,096 tokens" in found.line) is (context is not None)
    assert found.grid.requests == 5


def test_the_line_and_the_facts() -> None:
    with simulated_engine("vllm") as url:
        found = served(Sought(url))
    latency_s = found.facts.pop("first_request_s")
    assert 0.03 < latency_s < 5
    assert found.facts == {
        "url": url,
        "engine": "vLLM",
        "version": "0.0.0-simulated",
        "model": "simulated",
        "api": "openai-completions",
        "context_tokens": 4096,
        "tokenizer": "server:tokenize",
        "prompts": BY_SERVER,
        "requests": 5,
        "users": (1, 4, 16),
    }
    assert found.line == (
        f"{url} is vLLM 0.0.0-simulated: model simulated, api openai-completions, context 4,096 "
        f"tokens, prompts {BY_SERVER}; a request took {latency_s:.2g} s, so 5 for each of 1, 4, 16 "
        "users (--llm-model, --llm-api, --llm-tokenizer, --llm-users, --llm-requests override)"
    )


def test_options_override_what_is_found() -> None:
    with simulated_engine("vllm") as url:
        found = served(Sought(url, "other", "openai-chat", "tokenizer.json"))
        partly = served(Sought(url, "other", "openai-chat"))
    assert found == Served(found.model)  # nothing was asked
    assert found.model.tokenizer == "tokenizer.json"
    for model in (found.model, partly.model):
        assert (model.model, model.api) == ("other", "openai-chat")


def test_a_server_that_refuses_every_request_is_told() -> None:
    with simulated_engine("vllm", "--fault", "http-500") as url:
        with pytest.raises(ConfigError, match=r"/v1/completions answers 500") as caught:
            served(Sought(url))
        assert str(caught.value).startswith(f"--llm-url: {url}/v1/completions answers 500")
        assert "hint: " in str(caught.value)
        unloaded = served(Sought(url), sends=False)
    assert (unloaded.line, unloaded.model.api) == ("", "openai-completions")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "lists no model; name it with --llm-model"),
        (("a", "b"), "serves several models: a, b; name one with --llm-model"),
        (
            tuple(map(str, range(14))),
            "serves several models: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more; name one with "
            "--llm-model",
        ),
    ],
)
def test_a_model_that_must_be_named(
    names: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine("vLLM", ("openai-completions",), models=names)
    monkeypatch.setattr("llmbench.bench.found_server.detect", lambda url, client: engine)
    with pytest.raises(ConfigError) as caught:
        served(Sought("http://x"))
    assert str(caught.value) == f"--llm-url: http://x (vLLM) {message}"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/models/SmolLM2.gguf", "smollm2"),
        ("/models/smol/", "smol"),
        ("Qwen/Qwen2.5-0.5B", "qwen-qwen2.5-0.5b"),
    ],
)
def test_a_model_s_name_is_short(model: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine("llama.cpp", ("llama.cpp",), models=(model,))
    monkeypatch.setattr("llmbench.bench.found_server.detect", lambda url, client: engine)
    found = served(Sought("http://x"), sends=False).model
    assert (found.name, found.model) == (name, model)


@pytest.mark.parametrize(
    ("latency_s", "requests", "users"),
    [
        (None, 5, (1, 4, 16)),
        (0.01, 5, (1, 4, 16)),
        (0.88, 5, (1, 4, 16)),
        (1.0, 4, (1, 4, 16)),
        (3.5, 2, (1, 4, 16)),
        (3.6, 3, (1, 4)),
        (60.0, 2, (1, 4)),
    ],
)
def test_the_slower_the_fewer_requests(
    latency_s: float | None, requests: int, users: tuple[int, ...]
) -> None:
    expected = Grid(input_tokens=(128,), output_tokens=(64,), users=users, requests=requests)
    assert first_grid(latency_s) == expected


MODEL = ModelConfig("m", "M", "m", "openai-completions", "", RemoteServer("http://127.0.0.1:1"))
ENGINE = Engine("vLLM", ("openai-completions",))


@pytest.fixture
def words_file(tmp_path: Path) -> str:
    """A tokenizer whose tokens are words."""
    fast = FastTokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path / "words" / "tokenizer.json"
    path.parent.mkdir()
    fast.save(str(path))
    return str(path)


TEXTS = ("the night and the day", "the night and the day and the sea and the land")


def test_a_tokenizer_that_counts_as_the_server_does_is_taken(words_file: str) -> None:
    engine = replace(ENGINE, tokenizers=("/nowhere", words_file))
    choice = chosen_tokenizer(engine, MODEL, TEXTS, (5 + 20, 11 + 20))
    assert choice == Choice(words_file, None, "counted by words/tokenizer.json")


def test_a_tokenizer_that_counts_otherwise_is_not(words_file: str) -> None:
    engine = replace(ENGINE, tokenizers=(words_file,))
    choice = chosen_tokenizer(engine, MODEL, TEXTS, (7, 16))
    assert (choice.name, choice.how) == (
        "server:usage",
        "synthetic, 1.50 tokens a word by the server's usage",
    )


def test_files_of_another_host_are_not_looked_for_here(words_file: str) -> None:
    engine = replace(ENGINE, tokenizers=(words_file,))
    away = replace(MODEL, server=RemoteServer("http://gpu-host:8000"))
    choice = chosen_tokenizer(engine, away, TEXTS, (None, None))
    assert choice.how == "synthetic, a word taken for a token as the server counts none"


def test_requests_that_do_not_fit_the_context() -> None:
    found = Served(MODEL, context_tokens=2048)
    assert found.too_long(1984, 64) is None
    assert found.too_long(2000, 64) == "2,000 + 64 tokens don't fit its context of 2,048"
    assert Served(MODEL).too_long(10**6, 1) is None
