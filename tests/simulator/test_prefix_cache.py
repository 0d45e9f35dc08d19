"""The simulated engine's prefix cache, and the blocks that prompts are made of."""

from msgspec.json import encode

from llmbench.simulator.scheduling.prefix_cache import PrefixCache, block_keys
from llmbench.simulator.texts.rendered import read_prompt

A, B, C = (1, 2, 3), (1, 2, 4), (7, 8, 9)


def test_whole_blocks_from_the_beginning_are_found_but_never_the_last_token() -> None:
    cache = PrefixCache(1000, 10)
    cache.keep(A, 0)
    assert cache.take(A, 30, 0) == 20
    assert cache.take(A, 31, 0) == 30
    assert cache.take(B, 30, 0) == 20
    assert cache.take(C, 30, 0) == 0


def test_a_block_is_found_once_it_is_computed() -> None:
    cache = PrefixCache(1000, 10)
    cache.keep(A, 50)
    assert [cache.take(A, 31, now_ns) for now_ns in (49, 50)] == [0, 30]
    cache.keep(A, 90)  # by a second prompt; the first is there already
    assert cache.take(A, 31, 60) == 30


def test_the_least_recently_used_block_gives_way_and_of_a_prompt_its_end() -> None:
    cache = PrefixCache(59, 10)  # five blocks
    cache.keep(A, 0)
    cache.keep(C, 0)
    assert len(cache) == 5
    assert (cache.take(A, 31, 0), cache.take(C, 31, 0)) == (20, 30)
    cache.take(A, 31, 0)
    cache.keep((5, 6), 0)
    assert (cache.take(A, 31, 0), cache.take(C, 31, 0)) == (20, 10)


def test_only_the_first_tokens_of_a_prompt_are_kept() -> None:
    cache = PrefixCache(1000, 10)
    cache.keep(A, 0, tokens=29)
    assert cache.take(A, 31, 0) == 20


def test_keys_stand_for_all_that_comes_before() -> None:
    one, other = ([b"same", b"start", bytes([n]), b"same"] for n in (1, 2))
    assert block_keys([*one, b"rest"], 2) == block_keys(one, 2)
    assert [a == b for a, b in zip(block_keys(one, 2), block_keys(other, 2), strict=True)] == [
        True,
        False,
    ]
    assert not set(block_keys(one, 2)) & set(block_keys(one, 2, salt="other"))


def conversation(*texts: str) -> list[dict[str, str]]:
    roles = ("system", "user", "assistant")
    order = (0, 1, *(2, 1) * len(texts))
    return [{"role": roles[n], "content": text} for n, text in zip(order, texts, strict=False)]


def test_the_prompt_of_a_turn_and_its_answer_begin_the_next_turns_prompt() -> None:
    first = read_prompt(encode({"messages": conversation("Be kind", "Hello")}))
    second = read_prompt(encode({"messages": conversation("Be kind", "Hello", "Hi you", "And?")}))
    assert (first.turn, second.turn) == (1, 2)
    said = first.tokens("Hi you")
    assert second.tokens()[: len(said)] == said
    assert len(second.tokens()) == 2 + 2 + 2 + 1


def test_who_says_it_is_part_of_a_token() -> None:
    user, system = (
        read_prompt(encode({"messages": [{"role": role, "content": "Hello"}]})).tokens()
        for role in ("user", "system")
    )
    assert (len(user), user[0] == system[0], user[1] == system[1]) == (2, False, True)


def test_a_text_goes_on_within_a_token_and_ids_have_no_text() -> None:
    assert read_prompt(encode({"prompt": "abcdef"})).tokens("ghi") == [b"abcd", b"efgh", b"i"]
    assert read_prompt(encode({"input_ids": [5, 6]})).tokens("ghi") == [5, 6]


def test_a_request_keeps_out_of_the_cache_by_a_salt_or_a_switch() -> None:
    assert read_prompt(b'{"prompt": "a", "cache_salt": "5a"}').salt == "5a"
    assert read_prompt(b'{"text": "a", "extra_key": "5a"}').salt == "5a"
    assert not read_prompt(b'{"prompt": "a", "cache_prompt": false}').may_be_cached
