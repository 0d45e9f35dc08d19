"""Another repository: a model's TOML and a benchmark of a few lines, nothing else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas  # noqa: F401  # pytester forgets what a test imported; numpy loads only once
import pytest
import scipy.stats  # noqa: F401  # the same

from tests.processes import end_all_in

BENCHMARK = """
    import pytest

    pytestmark = pytest.mark.llm("grid")

    def test_grid(llm_bench, cell):
        result = llm_bench.run(cell)
        assert result.valid, result.why
        assert result.meets_slo, result.why

    def test_metric(llm_replay, cell, metric):
        llm_replay(cell, metric)
"""

MODEL = """
title = "A simulated model"
model = "tiny"
api = "openai-completions"
tokenizer = "tokenizer.json"

[server]
kind = "simulated"
ttft_ms = 50
ms_per_token = 20

[grid]
input_tokens = [16]
output_tokens = [8]
users = [1, 2]
requests = 3
"""


def word_tokenizer() -> str:
    """A tokenizer.json of single characters, so that any length can be met."""
    letters = {chr(code): code - 32 for code in range(32, 127)}
    vocabulary = letters | {"\n": len(letters), "[UNK]": len(letters) + 1}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": {"type": "Fuse"},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": "[UNK]",
                "fuse_unk": False,
                "byte_fallback": False,
                "vocab": vocabulary,
                "merges": [],
            },
        }
    )


@pytest.fixture
def suite(drawing: pytest.Pytester) -> pytest.Pytester:
    """The same repository with a hook of its own that leaves the charts out, to save time."""
    drawing.makeconftest("def pytest_llmbench_report(config, run): return run.page_file")
    return drawing


@pytest.fixture
def drawing(pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A repository with one simulated model, ``tiny-sim``, and the grid benchmark.

    A session in it that outlives its test, which timed out, is ended.
    """
    pytester.makefile(".ini", pytest="[pytest]\nllm_models_dir = models\n")
    write_model(pytester, "tiny-sim", MODEL)
    (pytester.path / "tokenizer.json").write_text(word_tokenizer(), encoding="utf-8")
    pytester.makepyfile(test_bench=BENCHMARK)
    yield pytester
    end_all_in(pytester.path)


def write_model(pytester: pytest.Pytester, name: str, text: str) -> Path:
    """Add a model's TOML to the repository."""
    folder = pytester.path / "models"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def add_model(suite: pytest.Pytester) -> Callable[[str, str], Path]:
    """Adds a model's TOML to the repository."""
    return lambda name, text: write_model(suite, name, text)
