"""Which prompt a request sends."""

import json
from collections.abc import Collection

import pytest

from llmbench.apis import dialect
from llmbench.cells import Cell, Limits, Users
from llmbench.config import ConfigError
from llmbench.load.plan.maker import Drawing
from llmbench.load.plan.requests import RequestMaker, kept_apart
from llmbench.load.wire.target import Target
from llmbench.records import Prompt
from tests.load.serving import endpoint

CELL = Cell("m", 8, 16, Users(1))
TARGET = Target(endpoint("http://127.0.0.1:1"), dialect("openai-completions"))


def orders(
    count: int, seed: int = 1, cell: Cell = CELL, repeat: int = 1, seen: Collection[int] = ()
) -> RequestMaker:
    prompts = [Prompt(f"prompt {number}", 8 + number) for number in range(count)]
    return RequestMaker(cell, prompts, (TARGET,), Drawing(seed, repeat, "5a17", seen))


def test_prompts_differ_until_they_run_out() -> None:
    chosen = [orders(20).choose(ordinal) for ordinal in range(40)]
    assert sorted(chosen[:20]) == list(range(20))
    assert chosen[20:] == chosen[:20]


def test_the_choice_depends_on_seed_load_and_repeat_and_not_on_the_server() -> None:
    def first(made: RequestMaker) -> list[int]:
        return [made.choose(ordinal) for ordinal in range(20)]

    assert first(orders(20)) == first(orders(20))
    assert first(orders(20)) != first(orders(20, seed=2))
    assert first(orders(20)) != first(orders(20, repeat=2))
    assert first(orders(20)) != first(orders(20, cell=Cell("m", 8, 16, Users(2))))
    assert first(orders(20)) == first(orders(20, cell=Cell("b", 8, 16, Users(1), Limits(2.0))))


def test_prompts_that_the_server_knows_come_last() -> None:
    fresh = [orders(20).choose(ordinal) for ordinal in range(20)]
    chosen = [orders(20, seen=fresh[:5]).choose(ordinal) for ordinal in range(20)]
    assert chosen == fresh[5:] + fresh[:5]


@pytest.mark.parametrize(
    ("api", "apart"),
    [
        ("openai-completions", True),
        ("openai-completions-plain", False),
        ("llama.cpp", True),
        ("tgi", False),
        ("ollama", False),
        ("triton", False),
        ("sglang", True),
    ],
)
def test_which_apis_keep_a_request_out_of_the_prompt_cache(api: str, apart: bool) -> None:
    assert kept_apart(endpoint("http://127.0.0.1:1", api)) is apart


def test_a_trace_gets_the_prompt_of_the_nearest_length() -> None:
    made = orders(5)  # 8 … 12 tokens
    assert [made.choose_near(0, tokens) for tokens in (1, 8, 10, 12, 99)] == [0, 0, 2, 4, 4]


def test_no_two_requests_share_a_cache_salt() -> None:
    made = orders(3)
    salts = set()
    for ordinal in range(10):
        order = made.make(ordinal, user=1, request=1, phase="measured")
        body = json.loads(order.payload.partition(b"\r\n\r\n")[2])
        salts.add(body["cache_salt"])
    assert len(salts) == 10


def test_a_request_is_whole_http() -> None:
    order = orders(1).make(0, user=1, request=1, phase="measured")
    head, _, body = order.payload.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/completions HTTP/1.1"
    headers = {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines[1:])}
    assert headers[b"host"] == b"127.0.0.1:1"
    assert headers[b"content-length"] == str(len(body)).encode()
    assert headers[b"accept-encoding"] == b"identity"


def test_no_prompts_are_refused() -> None:
    with pytest.raises(ConfigError, match="m-in8-out16-users1: no prompts of 8 tokens"):
        orders(0)
