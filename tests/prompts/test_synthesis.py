import pytest

from llmbench.config import ConfigError
from llmbench.prompts.synthesis import synthesise
from llmbench.prompts.tokens.tokenizer import Tokenizer, load


@pytest.mark.parametrize("length", [1, 2, 32, 1500])
def test_every_prompt_has_exactly_the_length(byte_level: Tokenizer, length: int) -> None:
    prompts = synthesise(byte_level, length, 20, seed=0)
    assert len(prompts) == len({prompt.text for prompt in prompts}) == 20
    assert byte_level.lengths([prompt.text for prompt in prompts]) == [length] * 20
    assert {prompt.tokens for prompt in prompts} == {length}


def test_also_with_words_as_tokens(words: Tokenizer) -> None:
    prompts = synthesise(words, 50, 5, seed=0)
    assert words.lengths([prompt.text for prompt in prompts]) == [50] * 5


def test_the_seed_decides(byte_level: Tokenizer) -> None:
    assert synthesise(byte_level, 32, 3, seed=1) == synthesise(byte_level, 32, 3, seed=1)
    assert synthesise(byte_level, 32, 3, seed=1) != synthesise(byte_level, 32, 3, seed=2)


def test_the_embedded_model_s_prompts_are_of_whole_words(smollm2_tokenizer: Tokenizer) -> None:
    prompts = synthesise(smollm2_tokenizer, 128, 100, seed=0)
    assert smollm2_tokenizer.lengths([prompt.text for prompt in prompts]) == [128] * 100
    assert all(word.isalpha() for word in prompts[0].text.split())


def test_llama_s_prompts(llama_folder: object) -> None:
    tokenizer = load(str(llama_folder))
    prompts = synthesise(tokenizer, 2048, 10, seed=0)
    assert tokenizer.lengths([prompt.text for prompt in prompts]) == [2048] * 10


def test_a_tokenizer_without_any_such_text_is_an_error() -> None:
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import models, pre_tokenizers

    fast = FastTokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\n")
    with pytest.raises(ConfigError, match=r"'odd': no text of exactly 7 tokens can be made"):
        synthesise(Tokenizer("odd", fast), 7, 3, seed=0)
