import random

from hypothesis import given
from hypothesis import strategies as st

from llmbench.prompts.buckets import Bucket
from llmbench.records import Prompt


def fill(texts: list[str], wanted: int, seed: int = 0) -> tuple[Prompt, ...]:
    bucket = Bucket(wanted, seed)
    for text in texts:
        bucket.offer(Prompt(text, 1))
    return bucket.prompts()


def test_all_are_kept_while_there_is_room() -> None:
    assert {p.text for p in fill(["a", "b", "c"], 3)} == {"a", "b", "c"}


def test_a_text_is_kept_once() -> None:
    assert [p.text for p in fill(["a", "a", "a"], 3)] == ["a"]


def test_of_texts_with_the_same_head_one_is_kept() -> None:
    head = "h" * 64
    assert len(fill([f"{head}{n}" for n in range(9)], 3)) == 1


@given(st.permutations(range(40)), st.integers(1, 50))
def test_the_choice_does_not_depend_on_the_order(order: list[int], wanted: int) -> None:
    texts = [f"{'h' * 63}{n // 2} {n}" for n in order]
    assert fill(texts, wanted) == fill(sorted(texts), wanted)


def test_another_seed_makes_another_choice() -> None:
    texts = [str(n) for n in range(100)]
    assert fill(texts, 10, seed=0) != fill(texts, 10, seed=1)


def test_every_text_has_the_same_chance() -> None:
    counts = dict.fromkeys(map(str, range(20)), 0)
    for seed in range(400):
        for prompt in fill(list(counts), 5, seed):
            counts[prompt.text] += 1
    assert all(60 <= count <= 140 for count in counts.values())  # 100 expected, sd 8.7


def test_full_once_there_are_as_many_as_wanted() -> None:
    bucket = Bucket(2, 0)
    bucket.offer(Prompt("a", 1))
    assert (len(bucket), bucket.full) == (1, False)
    bucket.offer(Prompt("b", 1))
    bucket.offer(Prompt("c", 1))
    assert (len(bucket), bucket.full) == (2, True)


def test_memory_is_bounded_by_what_is_wanted() -> None:
    bucket = Bucket(10, 0)
    draw = random.Random(0)
    for _ in range(10_000):
        bucket.offer(Prompt(str(draw.random()), 1))
        assert len(bucket._best) < 20
