"""The suite's model configurations, and the page that documents their keys."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from msgspec import Struct

from llmbench.apis import NAMES, generates
from llmbench.bench import merge
from llmbench.config import (
    CommandServer,
    DockerServer,
    Grid,
    ModelConfig,
    ProcessServer,
    RemoteServer,
    SimulatedServer,
    Slo,
    limits_of,
    load_model,
    load_models,
    parse_bytes,
)
from llmbench.metrics.capacity.economics import cost
from llmbench.metrics.slos import resolve
from llmbench.packages import file_in, package_folders, split_name
from llmbench.plugin.kinds import KINDS
from llmbench.records import ClientSettings
from llmbench.servers.docker.fitting import needed_bytes
from llmbench.servers.docker.spec import docker_run_line
from llmbench.value_types import ModelSize, Price, RequestFields

ROOT = Path(__file__).parents[1]
MODELS = load_models(ROOT / "fixtures" / "models")
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
TABLES: dict[str, type[Struct]] = {
    "Top level": ModelConfig,
    '`[server]` with `kind = "docker"`': DockerServer,
    '`[server]` with `kind = "process"`': ProcessServer,
    '`[server]` with `kind = "command"`': CommandServer,
    '`[server]` with `kind = "remote"`': RemoteServer,
    '`[server]` with `kind = "simulated"`': SimulatedServer,
    "`[grid]`": Grid,
    "`[slo]`": Slo,
    "`[price]`": Price,
    "`[size]`": ModelSize,
    "`[client]`": ClientSettings,
    "`[request]`": RequestFields,
}


def documented(heading: str) -> list[str]:
    """The keys in the first column of the table under `heading`."""
    _, _, rest = PAGE.partition(f"### {heading}\n")
    section = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    return [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_has_every_key_in_its_order(heading: str) -> None:
    expected = [key for key in TABLES[heading].__struct_fields__ if key != "name"]
    assert sorted(documented(heading)) == sorted(expected)


def test_the_page_s_example_is_a_configuration(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[0]
    (tmp_path / "my-model.toml").write_text(example, encoding="utf-8")
    config = load_model(tmp_path / "my-model.toml")
    line = docker_run_line(config)
    assert line.startswith("docker run -d --cpuset-cpus 0-3 --memory 8g --memory-swap 8g")
    assert "-t 4 -c 16384 -np 4" in line


def test_the_page_lists_every_configuration() -> None:
    table = re.findall(r"^\| (`.+?`) \|", PAGE.partition("## Add a model")[0], flags=re.MULTILINE)
    listed = {name for cell in table for name in re.findall(r"`(.+?)`", cell)}
    assert listed == {config.name for config in MODELS}


def test_the_issue_s_models_are_all_there() -> None:
    assert {config.name for config in MODELS} >= {
        "llama-2-7b-tgi",
        "llama-2-13b-tgi",
        "llama-2-70b-tgi",
        "llama-2-7b-vllm",
        "llama-2-70b-vllm",
        "llama-2-70b-sglang",
        "llama-2-7b-llamacpp",
        "smollm2-135m",
        "smollm2-135m-docker",
        "llama-2-70b-sim",
    }


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
class TestEachModel:
    """What holds for each configuration."""

    def test_its_api_is_one_that_we_speak(self, config: ModelConfig) -> None:
        assert config.api in NAMES

    def test_its_slo_has_limits(self, config: ModelConfig) -> None:
        slo = resolve(config.slo)
        if generates(config.api):
            assert slo.ttft_ms
            assert slo.time_per_token_ms
        else:
            assert slo.latency_ms
        assert slo.error_rate is not None

    def test_its_grid_says_lengths_and_users(self, config: ModelConfig) -> None:
        grid = config.grid
        assert grid.users
        has_output = bool(grid.pairs or grid.output_tokens)
        assert grid.pairs or grid.input_tokens
        assert has_output == generates(config.api)

    def test_its_longest_cell_fits_the_server(self, config: ModelConfig) -> None:
        """Prompts are within ten tokens of their length, and one more begins the text."""
        grid, room = config.grid, _context(config)
        pairs = grid.pairs or [(max(grid.input_tokens or ()), max(grid.output_tokens or (0,)))]
        assert all(inp + 10 + 1 + out <= room for inp, out in pairs)

    def test_its_price_says_when_and_where(self, config: ModelConfig) -> None:
        if config.price is not None:
            assert date.fromisoformat(config.price.date) <= date(2026, 12, 31)
            assert config.price.region
            assert len(config.price.source) > 20

    def test_its_command_and_sizes_can_be_filled(self, config: ModelConfig) -> None:
        if isinstance(config.server, DockerServer):
            line = docker_run_line(config)
            assert not re.search(r"\{\w+\}", line)
            assert f"127.0.0.1::{config.server.port}" in line
            if config.server.memory:
                assert parse_bytes(config.server.memory, "memory") > 0


def _context(config: ModelConfig) -> float:
    """The tokens that one request of `config` may have in all, by its server's flags."""
    server = config.server
    if isinstance(server, ProcessServer):
        return server.context_tokens
    if not isinstance(server, DockerServer):
        return float("inf")
    if "{context}" in server.command:
        return server.context_tokens
    words = server.command
    for flag in ("--max-total-tokens", "--max-model-len", "--context-length"):
        if flag in words:
            return int(words[words.index(flag) + 1])
    raise AssertionError(f"{config.name}: no flag tells its context")


LIMITED = [c for c in MODELS if isinstance(c.server, DockerServer) and c.server.memory]
ON_GPUS = [c for c in MODELS if isinstance(c.server, DockerServer) and c.server.gpus]
REST_BYTES = 128 << 20
"""The program and its buffers: with SmolLM2 in llama.cpp 38 MiB at 4 slots and 69 at 128."""


@pytest.mark.parametrize("kind", ["grid", "ramp", "rate", "sizing", "cold"])
@pytest.mark.parametrize("config", LIMITED, ids=lambda config: config.name)
def test_its_model_fits_its_own_limit(config: ModelConfig, kind: str) -> None:
    """Weights, KV cache and the rest, with as many slots as a benchmark of this kind asks for."""
    shapes = KINDS[kind].shapes(merge(config.grid))
    assert isinstance(config.server, DockerServer)
    slots = max(config.server.slots, *(shape.most_users or 1 for shape in shapes))
    needed, limit = needed_bytes(config, slots), limits_of(config.server).memory_bytes
    assert needed is not None
    assert limit is not None
    assert needed + REST_BYTES <= limit


def test_some_models_are_limited() -> None:
    assert {config.name for config in LIMITED} == {"llama-2-7b-llamacpp", "smollm2-135m-docker"}


@pytest.mark.parametrize("config", ON_GPUS, ids=lambda config: config.name)
def test_its_model_fits_its_gpus(config: ModelConfig) -> None:
    """Weights and the KV cache of the longest request, in nine tenths of the GPUs' memory."""
    found = re.search(r"(\d) x A100 40 GB", config.title)
    assert found is not None
    assert isinstance(config.server, DockerServer)
    assert config.server.gpus == int(found[1])
    assert config.size is not None
    weights = parse_bytes(config.size.weights, "size.weights")
    of_one = config.size.kv_bytes(int(_context(config)))
    assert weights + of_one <= 0.9 * int(found[1]) * 40 * 2**30


@pytest.mark.parametrize(
    ("page", "name", "too_small"),
    [
        ("fixtures/models/llama-2-7b-llamacpp.toml", "llama-2-7b-llamacpp", []),
        ("README.md", "smollm2-135m-docker", [128 << 20]),  # shows that a size is too small
    ],
)
def test_the_sizes_to_sweep_that_are_advertised_fit(
    page: str, name: str, too_small: list[int]
) -> None:
    (text,) = re.findall(r"--llm-memory (\S+)", (ROOT / page).read_text(encoding="utf-8"))
    config = next(config for config in LIMITED if config.name == name)
    needed = needed_bytes(config, max(config.grid.users or ()))
    assert needed is not None
    sizes = [parse_bytes(size, "--llm-memory") for size in text.split(",")]
    assert [size for size in sizes if size < needed + REST_BYTES] == too_small


def test_the_smallest_model_s_size_is_its_file_s() -> None:
    gguf = pytest.importorskip("gguf")
    config = load_model(ROOT / "fixtures" / "models" / "smollm2-135m-docker.toml")
    package, file = split_name(config.tokenizer)
    path = file_in(package_folders(package), file)
    assert path is not None
    reader = gguf.GGUFReader(path)

    def fact(name: str) -> int:
        return int(reader.fields[f"llama.{name}"].contents())

    size = config.size
    assert size is not None
    heads = fact("attention.head_count")
    assert (size.layers, size.kv_heads) == (fact("block_count"), fact("attention.head_count_kv"))
    assert size.head_size == fact("embedding_length") // heads
    assert parse_bytes(size.weights, "weights") == pytest.approx(
        sum(int(tensor.n_bytes) for tensor in reader.tensors), rel=0.02
    )


def test_the_blog_s_deployment_is_the_blog_s() -> None:
    config = load_model(ROOT / "fixtures" / "models" / "llama-2-70b-tgi.toml")
    assert isinstance(config.server, DockerServer)
    assert config.model == "NousResearch/Llama-2-70b-hf"
    assert config.server.image.endswith("text-generation-inference:0.9.4")
    assert config.server.gpus == 4
    assert config.grid.pairs == ((1500, 100), (50, 500))
    assert config.price is not None
    # FACTS of cost: half of a p4d.24xlarge, $2.77 for 1,000 requests at 1.1 a second
    found = cost(config.price, 1.1, 1500, 100)
    assert found is not None
    assert found.usd_per_hour == 10.978821
    assert found.per_1000_requests_usd == pytest.approx(2.77, abs=0.005)


def test_the_embedded_and_the_container_s_model_are_one() -> None:
    embedded = tomllib.loads((ROOT / "fixtures/models/smollm2-135m.toml").read_text())
    contained = tomllib.loads((ROOT / "fixtures/models/smollm2-135m-docker.toml").read_text())
    for key in ("model", "api", "tokenizer"):
        assert embedded[key] == contained[key]
