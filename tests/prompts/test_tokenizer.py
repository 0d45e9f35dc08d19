import os
import shutil
import sys
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.tokens.tokenizer import Tokenizer, find, fingerprint, load


def test_lengths_leave_special_tokens_out(words: Tokenizer) -> None:
    assert words.lengths(["", "one", "one two\nthree"]) == [0, 1, 3]


def test_specials_are_listed(words: Tokenizer) -> None:
    assert set(words.specials) == {"<unk>", "<s>", "</s>"}


def test_a_folder_and_its_file_are_the_same_tokenizer(words_folder: Path) -> None:
    file = load(str(words_folder / "tokenizer.json"))
    assert file.sha256 == load(str(words_folder)).sha256


def test_truncation_and_padding_of_the_file_are_off(tmp_path: Path, words: Tokenizer) -> None:
    fast = type(words.fast).from_str(words.fast.to_str())
    fast.enable_truncation(2)
    fast.enable_padding(length=9)
    fast.save(str(tmp_path / "tokenizer.json"))
    assert load(str(tmp_path)).lengths(["one two three"]) == [3]


def test_a_folder_without_tokenizer_json_is_read_by_transformers(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert load(str(tmp_path)).lengths(["ab", "ba"]) == [1, 2]


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"'\./no/tokenizer\.json': no such file or folder"):
        find("./no/tokenizer.json")


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json: not a tokenizer\.json that can be"):
        load(str(tmp_path))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be loaded: .*name a folder or a tokenizer\.json"):
        load(str(tmp_path))


def test_a_package_s_file_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "not_to_import").mkdir()
    (tmp_path / "not_to_import" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "not_to_import" / "some.gguf").write_text("x")
    monkeypatch.syspath_prepend(tmp_path)
    found = find("package:not_to_import/some.gguf")
    assert found == tmp_path / "not_to_import" / "some.gguf"
    assert "not_to_import" not in sys.modules


def test_a_package_without_that_file_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"the package 'json' is installed, but has no file 'x'"):
        find("package:json/x")


@pytest.mark.parametrize("name", ["package:", "package:a.b/x", "package:../x"])
def test_a_package_that_can_t_be_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="is installed in this environment"):
        find(name)


@pytest.mark.parametrize("name", ["owner/model", "gpt2", "owner/model@main", "a.b/c-d_e"])
def test_other_names_are_the_hub_s(name: str) -> None:
    assert find(name) is None


def test_the_fingerprint_follows_the_content_not_the_place(
    words_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "tokenizer.json"
    shutil.copy(words_folder / "tokenizer.json", copy)
    assert fingerprint(str(copy)) == fingerprint(str(words_folder / "tokenizer.json"))
    with copy.open("a") as file:
        file.write("\n")
    assert fingerprint(str(copy)) != fingerprint(str(words_folder / "tokenizer.json"))


def test_the_fingerprint_of_a_hub_id_is_of_its_name_and_revision() -> None:
    assert len({fingerprint("a/b"), fingerprint("a/b@main"), fingerprint("a/c")}) == 3


def test_a_gguf_file_is_read_once(smollm2: str, tmp_path: Path) -> None:
    first = load(smollm2, tmp_path)
    kept = tmp_path / "tokenizer.json"
    os.utime(kept, ns=(1, 1))
    assert load(smollm2, tmp_path).sha256 == first.sha256
    assert kept.stat().st_mtime_ns == 1


def test_genuine_llama_ids(llama_folder: Path) -> None:
    llama = load(str(llama_folder))
    assert llama.encodings(["Hello world"])[0].ids == [15043, 3186]
    assert llama.lengths(["", "\n\nHello world", " Hello world"]) == [0, 5, 3]
    assert set(llama.specials) == {"<unk>", "<s>", "</s>"}


def test_transformers_counts_llama_s_tokens_alike(llama_folder: Path) -> None:
    from transformers import AutoTokenizer

    texts = ["Hello world", "two  spaces", "ünïcode 😀\n\n\tx = 1", "USER: hi ASSISTANT:"]
    theirs = AutoTokenizer.from_pretrained(str(llama_folder))
    counts = [len(ids) for ids in theirs(texts, add_special_tokens=False)["input_ids"]]
    assert load(str(llama_folder)).lengths(texts) == counts
