"""The `docker run` lines of our configurations against those that the engines document.

What a line may differ in is spelt out: the host's port is random and on loopback, the weights
are in a named volume, the model and its size are ours.
"""

import shlex
from pathlib import Path

import pytest

from llmbench.config import load_model
from llmbench.servers.docker.spec import docker_run_line

MODELS = Path(__file__).parents[3] / "fixtures" / "models"

DOCUMENTED = {
    # text-generation-inference v0.9.4, README.md, "Get Started / Docker"; --num-shard 4 and
    # --max-batch-prefill-tokens 14000 are the blog's
    "llama-2-70b-tgi": (
        "docker run --gpus all --shm-size 1g -p 8080:80 -v $volume:/data "
        "ghcr.io/huggingface/text-generation-inference:0.9.4 --model-id $model "
        "--num-shard 4 --max-batch-prefill-tokens 14000"
    ),
    # vLLM, docs/deployment/docker.md; "either the ipc=host flag or --shm-size"
    "llama-2-70b-vllm": (
        "docker run --gpus all -v ~/.cache/huggingface:/root/.cache/huggingface "
        "--env HF_TOKEN=$HF_TOKEN -p 8000:8000 --shm-size 16g "
        "vllm/vllm-openai:v0.11.0 --model $model --tensor-parallel-size 4"
    ),
    # SGLang, docs/get_started/install.md, "Using docker"; --tp from its server arguments
    "llama-2-70b-sglang": (
        "docker run --gpus all --shm-size 32g -p 30000:30000 "
        "-v ~/.cache/huggingface:/root/.cache/huggingface --env HF_TOKEN=$HF_TOKEN "
        "lmsysorg/sglang:v0.5.5 python3 -m sglang.launch_server --model-path $model "
        "--host 0.0.0.0 --port 30000 --tp 4"
    ),
    # llama.cpp, docs/docker.md and tools/server/README.md, with -hf in the place of a mounted -m
    "llama-2-7b-llamacpp": (
        "docker run -v $volume:/root/.cache -p 8080:8080 --env HF_TOKEN=$HF_TOKEN "
        "ghcr.io/ggml-org/llama.cpp:server -hf $model --host 0.0.0.0 --port 8080 -t 8 -np 4 "
        "--metrics"
    ),
}
MODEL_FLAGS = {"--model-id", "--model", "--model-path", "-hf"}
ALIASES = {"--env": "-e"}


def parts(line: str) -> tuple[set[str], str, list[str]]:
    """Options of the engine, image, and command of a `docker run` line, in one spelling."""
    words = [ALIASES.get(word, word) for word in shlex.split(line)[2:] if word != "-d"]
    options = set()
    while words[0].startswith("-"):
        option, value = words.pop(0), words.pop(0)
        options.add(f"{option} {_common(option, value)}")
    return options, words[0], words[1:]


def _common(option: str, value: str) -> str:
    """An option's value without what may differ."""
    if option in ("-p", "-v"):
        return value.rpartition(":")[2]  # the container's side
    if option == "-e":
        return value.partition("=")[0]
    return "N" if option == "--gpus" else value


def flags(command: list[str]) -> set[tuple[str, str | None]]:
    """The flags of a command with their values; of the model's, only that it is there."""
    found: set[tuple[str, str | None]] = set()
    for index, word in enumerate(command):
        if not word.startswith("-"):
            continue
        follows = command[index + 1] if index + 1 < len(command) else "-"
        value = None if follows.startswith("-") or word in MODEL_FLAGS else follows
        found.add((word, value))
    return found


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_run_line_is_the_documented_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    line = docker_run_line(load_model(MODELS / f"{name}.toml"))
    theirs, ours = parts(DOCUMENTED[name]), parts(line)
    assert theirs[0] <= ours[0], "an option of docker run is missing"
    assert ours[1] == theirs[1]
    assert flags(theirs[2]) <= flags(ours[2]), "a flag of the engine is missing"
    # beyond the documented ones: limits of our own
    assert {option.split()[0] for option in ours[0] - theirs[0]} <= {
        "--cpuset-cpus",
        "--memory",
        "--memory-swap",
    }


def test_the_blog_s_line_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    assert docker_run_line(load_model(MODELS / "llama-2-70b-tgi.toml")) == (
        "docker run -d --shm-size 1g --gpus 4 -p 127.0.0.1::80 -v llmbench-tgi:/data "
        "ghcr.io/huggingface/text-generation-inference:0.9.4 "
        "--model-id NousResearch/Llama-2-70b-hf --num-shard 4 "
        "--max-batch-prefill-tokens 14000 --max-input-length 1600 --max-total-tokens 2048"
    )
