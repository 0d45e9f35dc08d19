import pytest

from llmbench.prompts.corpus.passages import Passage
from llmbench.prompts.sorting import Sorter, Wanted
from llmbench.prompts.tokens.tokenizer import Tokenizer


def text(tokens: int, first: str = "") -> str:
    """As many words; different numbers and firsts give different heads."""
    return " ".join([f"{first}{tokens}", *["w"] * (tokens - 1)])


def whole(text: str) -> Passage:
    return Passage(text, (len(text),))


def test_prompts_within_the_tolerance_are_taken(words: Tokenizer) -> None:
    sorter = Sorter(words, Wanted((100,), tolerance=10))
    sorter.add([whole(text(n)) for n in range(80, 121)])
    prompts, trimmed = sorter.take(100)
    assert sorted(prompt.tokens for prompt in prompts) == list(range(90, 111))
    assert trimmed == 0
    assert all(len(prompt.text.split()) == prompt.tokens for prompt in prompts)


def test_a_prompt_may_serve_two_lengths(words: Tokenizer) -> None:
    sorter = Sorter(words, Wanted((50, 55)))
    sorter.add([whole(text(52))])
    assert [len(sorter.take(length)[0]) for length in (50, 55)] == [1, 1]


def test_every_end_of_a_conversation_is_a_prompt(words: Tokenizer) -> None:
    story = text(400)
    ends = [len(" ".join(story.split()[:n])) for n in (30, 95, 99, 200, 400)]
    sorter = Sorter(words, Wanted((32, 100, 200, 300)))
    sorter.add([Passage(story, tuple(ends))])
    found = {n: [prompt.tokens for prompt in sorter.take(n)[0]] for n in (32, 200, 300)}
    assert found == {32: [30], 200: [200], 300: []}
    assert sorter.prompts_seen == 5


def test_starts_of_one_conversation_are_not_twice_in_a_bucket(words: Tokenizer) -> None:
    story = text(400)
    ends = [len(" ".join(story.split()[:n])) for n in (95, 99)]
    sorter = Sorter(words, Wanted((100,)))
    sorter.add([Passage(story, tuple(ends))])
    assert len(sorter.take(100)[0]) == 1


def test_the_same_text_counts_as_a_duplicate(words: Tokenizer) -> None:
    sorter = Sorter(words, Wanted((5,)))
    sorter.add([whole(text(5)), whole(text(5))])
    sorter.add([whole(text(5))])
    assert (sorter.duplicates, sorter.prompts_seen, len(sorter.take(5)[0])) == (2, 1, 1)


def test_a_very_long_text_with_few_tokens_is_found(words: Tokenizer) -> None:
    long = whole(" ".join(["w" * 100] * 20))
    sorter = Sorter(words, Wanted((20,), tolerance=0))
    sorter.add([long, whole("x " * 20_000)])
    assert [prompt.text for prompt in sorter.take(20)[0]] == [long.text]


def test_a_very_long_conversation_with_few_tokens_is_found(words: Tokenizer) -> None:
    words_of_100 = ["w" * 100] * 40
    ends = tuple(len(" ".join(words_of_100[:n])) for n in (3, 20, 40))
    sorter = Sorter(words, Wanted((20,), tolerance=0))
    sorter.add([Passage(" ".join(words_of_100), ends)])
    assert [prompt.tokens for prompt in sorter.take(20)[0]] == [20]


def test_a_short_bucket_is_left_short(words: Tokenizer) -> None:
    sorter = Sorter(words, Wanted((100,), per_length=3))
    sorter.add([whole(text(n)) for n in (100, 500, 600)])
    assert [prompt.tokens for prompt in sorter.take(100)[0]] == [100]


def test_trimming_fills_a_bucket_with_starts_of_longer_prompts(words: Tokenizer) -> None:
    sorter = Sorter(words, Wanted((100,), per_length=3, trim=True))
    sorter.add([whole(text(n)) for n in (99, 500, 600, 700, 800, 20)])
    prompts, trimmed = sorter.take(100)
    assert trimmed == 2
    assert prompts[0].tokens == 99
    assert [prompt.tokens for prompt in prompts[1:]] == [100, 100]
    assert all(len(prompt.text.split()) == 100 for prompt in prompts[1:])


def test_trimming_takes_no_more_than_is_missing(words: Tokenizer) -> None:
    sorter = Sorter(words, Wanted((100,), per_length=2, trim=True))
    sorter.add([whole(text(n)) for n in (99, 101, 500)])
    prompts, trimmed = sorter.take(100)
    assert ({prompt.tokens for prompt in prompts}, trimmed) == ({99, 101}, 0)


def test_a_trimmed_prompt_never_repeats_the_head_of_another(words: Tokenizer) -> None:
    head = "h" * 70
    sorter = Sorter(words, Wanted((20,), per_length=3, trim=True))
    sorter.add([whole(f"{head} {text(19)}"), whole(f"{head} {text(90)}")])
    assert len(sorter.take(20)[0]) == 1


def test_trimmed_prompts_of_a_real_vocabulary_are_as_long_as_asked(byte_level: Tokenizer) -> None:
    story = "the server 😀 sends naïve tökens\n\n and – then  the\tother " * 40
    sorter = Sorter(byte_level, Wanted((32, 64, 128), tolerance=3, trim=True))
    sorter.add([whole(f"{n} {story}") for n in range(50)])
    for length in (32, 64, 128):
        prompts, trimmed = sorter.take(length)
        assert trimmed == len(prompts) == 50
        assert byte_level.lengths([prompt.text for prompt in prompts]) == [
            prompt.tokens for prompt in prompts
        ]
        assert all(abs(prompt.tokens - length) <= 3 for prompt in prompts)


@pytest.mark.parametrize(("trimmed", "full"), [(False, False), (True, True)])
def test_full_with_trimmed_prompts_or_without(words: Tokenizer, trimmed: bool, full: bool) -> None:
    sorter = Sorter(words, Wanted((100,), per_length=3, trim=True))
    sorter.add([whole(text(n)) for n in (100, 500, 600, 700, 800)])
    assert sorter.full(trimmed) is full
