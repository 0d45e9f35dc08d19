"""Prompts for a tokenizer that can only be asked for counts."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.corpus.sources import parse_source
from llmbench.prompts.stock import ensure
from llmbench.prompts.synthesis import synthesise
from llmbench.prompts.tokens.counted_elsewhere import COMMON_WORDS, CountedElsewhere
from llmbench.prompts.tokens.tokenizer import Tokenizer


def quarter_bytes(texts: Sequence[str]) -> list[int]:
    """As the simulator counts."""
    return [-(-len(text) // 4) for text in texts]


def by_words(texts: Sequence[str]) -> list[int]:
    """As usage counts come to that showed 1.3 tokens a word."""
    return [round(1.3 * len(text.split())) for text in texts]


@pytest.mark.parametrize("length", [1, 16, 128, 1000])
def test_every_prompt_has_exactly_the_length(length: int) -> None:
    counter = CountedElsewhere("server:tokenize", quarter_bytes)
    prompts = synthesise(counter, length, 20, seed=1)
    assert counter.lengths([prompt.text for prompt in prompts]) == [length] * len(prompts)
    assert len({prompt.text for prompt in prompts}) == (20 if length > 1 else len(prompts))
    assert prompts == synthesise(counter, length, 20, seed=1)


@pytest.mark.parametrize("length", [2, 16, 128, 1000])
def test_an_estimate_comes_as_near_as_words_allow(length: int) -> None:
    prompts = synthesise(CountedElsewhere("server:usage", by_words, slack=1), length, 20, seed=1)
    assert len(prompts) == 20
    assert all(abs(1.3 * len(prompt.text.split()) - length) <= 1.5 for prompt in prompts)


def test_words_of_one_token_each_are_counted_once(smollm2_tokenizer: Tokenizer) -> None:
    asked = list[int]()

    def count(texts: Sequence[str]) -> list[int]:
        asked.append(len(texts))
        return smollm2_tokenizer.lengths(texts)

    prompts = synthesise(CountedElsewhere("server:tokenize", count), 128, 100, seed=1)
    assert smollm2_tokenizer.lengths([prompt.text for prompt in prompts]) == [128] * 100
    assert asked == [len(COMMON_WORDS), 100]


def test_its_files_are_kept_and_used_again(tmp_path: Path) -> None:
    counter = CountedElsewhere("server:tokenize", quarter_bytes)
    said = list[str]()
    libraries = [
        ensure(tmp_path, counter, (16,), source=None, per_length=10, seed=1, say=said.append)
        for _ in range(2)
    ]
    first, again = libraries
    assert first.folder.name == f"server-tokenize-{counter.sha256[:8]}"
    assert (first.describe()["kind"], first.describe()["tokenizer"]) == (
        "synthetic",
        "server:tokenize",
    )
    assert first.sha256(16) == again.sha256(16)
    assert len(said) == 1


def test_another_way_of_counting_has_another_folder(tmp_path: Path) -> None:
    one, other = (CountedElsewhere("server:usage", count) for count in (quarter_bytes, by_words))
    assert one.sha256 != other.sha256


def test_texts_of_a_source_need_a_tokenizer_here(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("prompt\nHello", encoding="utf-8")
    source = parse_source(str(tmp_path / "prompts.csv"))
    counter = CountedElsewhere("server:tokenize", quarter_bytes)
    with pytest.raises(ConfigError) as caught:
        ensure(tmp_path, counter, (16,), source=source, seed=1, say=print)
    assert str(caught.value) == (
        f"prompt source {source}: its texts need a tokenizer on this host; name one with "
        "--llm-tokenizer, or leave --llm-prompts out"
    )
