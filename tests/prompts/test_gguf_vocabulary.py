import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.tokens.gguf_vocabulary import read_tokenizer
from llmbench.prompts.tokens.tokenizer import Tokenizer, load

gguf = pytest.importorskip("gguf")

TEXTS = [
    "Hello world",
    " the server  sends\n\n 12345 tokens, doesn't it?",
    "naïve 😀 日本語 ½ ٣",
    "def f(x):\n\treturn x ** 2  # ok",
    "",
]
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, _, BYTE = range(1, 7)


def write(
    path: Path,
    model: str,
    tokens: Sequence[str],
    types: Sequence[int],
    merges: Sequence[str] = (),
    scores: Sequence[float] = (),
    pre: str | None = None,
) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(list(tokens))
    writer.add_token_types(list(types))
    if merges:
        writer.add_token_merges(list(merges))
    if scores:
        writer.add_token_scores(list(scores))
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def definition(tokenizer: Tokenizer) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(tokenizer.fast.to_str())
    return read


def merges_of(tokenizer: Tokenizer) -> list[str]:
    return [" ".join(pair) for pair in definition(tokenizer)["model"]["merges"]]


def by_id(tokenizer: Tokenizer) -> list[str]:
    vocabulary = tokenizer.fast.get_vocab(with_added_tokens=True)
    return sorted(vocabulary, key=lambda token: vocabulary[token])


@pytest.fixture
def bpe_file(tmp_path: Path, byte_level: Tokenizer) -> Path:
    tokens = by_id(byte_level)
    types = [CONTROL if token in byte_level.specials else NORMAL for token in tokens]
    return write(tmp_path / "bpe.gguf", "gpt2", tokens, types, merges_of(byte_level), pre="gpt-2")


def test_byte_level_ids_are_the_same(bpe_file: Path, byte_level: Tokenizer) -> None:
    read = read_tokenizer(bpe_file)
    for text in TEXTS:
        assert read.encode(text).ids == byte_level.fast.encode(text).ids


def test_control_tokens_are_special(bpe_file: Path) -> None:
    read = Tokenizer("read", read_tokenizer(bpe_file))
    assert set(read.specials) == {"<|im_start|>", "<|im_end|>"}
    assert read.lengths(["<|im_end|>"]) == [1]


def test_text_comes_back(bpe_file: Path) -> None:
    read = read_tokenizer(bpe_file)
    assert [read.decode(read.encode(text).ids) for text in TEXTS] == TEXTS


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["a", " 1234", "."]),
        ("smollm", ["a", " ", "1", "2", "3", "4", "."]),
        ("llama-bpe", ["a", " ", "123", "4", "."]),
        ("qwen2", ["a", " ", "1", "2", "3", "4", "."]),
    ],
)
def test_pre_tokenizers_split_numbers_their_own_way(
    tmp_path: Path, byte_level: Tokenizer, pre: str, pieces: list[str]
) -> None:
    tokens, merges = by_id(byte_level), merges_of(byte_level)
    path = write(tmp_path / "x.gguf", "gpt2", tokens, [NORMAL] * len(tokens), merges, pre=pre)
    splitter = read_tokenizer(path).pre_tokenizer
    found = [piece.replace("Ġ", " ") for piece, _ in splitter.pre_tokenize_str("a 1234.")]
    assert found == pieces


def test_an_unknown_pre_tokenizer_is_an_error(tmp_path: Path, byte_level: Tokenizer) -> None:
    tokens, merges = by_id(byte_level), merges_of(byte_level)
    path = write(tmp_path / "x.gguf", "gpt2", tokens, [NORMAL] * len(tokens), merges, pre="odd")
    with pytest.raises(ConfigError, match=r"x\.gguf: its pre-tokenizer 'odd' is not known here"):
        read_tokenizer(path)


def test_another_kind_of_vocabulary_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf", "bert", ["a"], [NORMAL])
    with pytest.raises(ConfigError, match=r"kind 'bert'.*name the model's tokenizer\.json or hub"):
        read_tokenizer(path)


def test_what_is_no_gguf_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"no" * 100)
    with pytest.raises(ConfigError, match=r"x\.gguf: not a GGUF file"):
        read_tokenizer(path)


def test_a_gguf_file_that_is_cut_off_is_an_error(bpe_file: Path) -> None:
    content = bpe_file.read_bytes()
    bpe_file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigError, match=r"bpe\.gguf: not a GGUF file"):
        read_tokenizer(bpe_file)


def test_without_the_package_gguf_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ConfigError, match=r"needs the package gguf \(pip install '.*\[embedded\]'"):
        read_tokenizer(tmp_path / "x.gguf")


def test_sentencepiece_merges_the_best_piece_first(tmp_path: Path) -> None:
    tokens = ["<unk>", "</s>", "<0x61>", "▁", "a", "b", "ab", "ba", "▁ab", "<0xC3>", "<0xA9>"]
    types = [UNKNOWN, CONTROL, BYTE, *[NORMAL] * 6, BYTE, BYTE]
    scores = [0.0, 0.0, 0.0, -5.0, -6.0, -7.0, -2.0, -1.0, -3.0, 0.0, 0.0]
    read = read_tokenizer(write(tmp_path / "spm.gguf", "llama", tokens, types, scores=scores))
    assert read.encode("aba").tokens == ["▁", "a", "ba"]
    assert read.encode("ab é").tokens == ["▁ab", "▁", "<0xC3>", "<0xA9>"]
    assert read.decode(read.encode("ab é").ids) == "ab é"


def test_llama_s_vocabulary_from_a_gguf_file(tmp_path: Path, llama_folder: Path) -> None:
    genuine = load(str(llama_folder))
    tokens = by_id(genuine)
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(tokens) - 259)]
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges_of(genuine)):
        ranks.setdefault(merge.replace(" ", ""), rank)
    scores = [-float(ranks.get(token, 10**9)) for token in tokens]
    path = write(tmp_path / "llama.gguf", "llama", tokens, types, scores=scores)
    read = Tokenizer("read", read_tokenizer(path))
    for text in TEXTS:
        assert read.encodings([text])[0].ids == genuine.encodings([text])[0].ids


def test_the_embedded_model_s_vocabulary(smollm2_tokenizer: Tokenizer) -> None:
    tokenizer = smollm2_tokenizer
    assert tokenizer.fast.get_vocab_size() == 49152
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(tokenizer.specials)
    assert tokenizer.fast.decode(tokenizer.encodings(["12 naïve 😀"])[0].ids) == "12 naïve 😀"
