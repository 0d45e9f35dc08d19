from hypothesis import given
from hypothesis import strategies as st

from llmbench.prompts.corpus.clean import cleaner

SPECIALS = ("<s>", "</s>", "<|im_end|>")
clean = cleaner(SPECIALS)


def test_special_tokens_are_taken_out() -> None:
    assert clean("USER: hi ASSISTANT: ho </s>USER: <|im_end|>again") == (
        "USER: hi ASSISTANT: ho USER: again"
    )


def test_words_beside_a_special_do_not_run_together() -> None:
    assert clean("one</s>two") == "one two"


def test_a_special_made_by_taking_one_out_goes_too() -> None:
    assert clean("<</s>s>x") == "x"


def test_the_longest_special_goes_first() -> None:
    assert cleaner(("<a>", "<a><b>"))("x <a><b> y") == "x  y"


def test_nul_and_half_surrogates_are_taken_out() -> None:
    assert clean("a\0b\ud800c") == "abc"


def test_surrogate_pairs_are_joined() -> None:
    assert clean("\ud83d\ude00") == "😀"


def test_white_space_around_is_no_part_of_a_prompt() -> None:
    assert clean(" \n<s>  \t") == ""


def test_without_specials_only_what_is_no_text_goes() -> None:
    assert cleaner(())("a </s>\0 b") == "a </s> b"


@given(st.lists(st.one_of(st.sampled_from([*SPECIALS, "<", "/s>", "<|im"]), st.text())))
def test_nothing_unsafe_is_left(parts: list[str]) -> None:
    text = clean("".join(parts))
    assert not any(special in text for special in SPECIALS)
    assert "\0" not in text
    assert text.encode().decode() == text
    assert clean(text) == text
