"""Conversations with the simulator: cached prefixes, told and true, and histories checked."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from llmbench.apis import Ask, dialect, frames
from llmbench.cells import Limits
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.value_types import EngineSteps, PrefixCacheSize

CACHE = PrefixCacheSize(tokens=10_000, block_tokens=4)
Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Launches a simulator with further settings, and forgets what its launch asked for."""
    with ExitStack() as stack:

        def launched(**settings: Any) -> httpx.Client:
            server = SimulatedServer(**{"ttft_ms": 5, "ms_per_token": 0.5} | settings)
            model = ModelConfig("sim", "Simulated", "tiny", "openai-completions", "none", server)
            running = stack.enter_context(
                launch(model, Limits(), log_dir=tmp_path, cores=place(1), session="s")
            )
            client = httpx.Client(base_url=running.endpoint.base_url)
            stack.enter_context(client)
            client.post("/stats/reset")
            return client

        yield launched


def say(*contents: str) -> list[dict[str, str]]:
    """Messages that alternate, and begin with the user's."""
    return [
        {"role": ("user", "assistant")[place % 2], "content": text}
        for place, text in enumerate(contents)
    ]


def chat(http: httpx.Client, *contents: str, **more: Any) -> dict[str, Any]:
    page = {"messages": say(*contents), "max_tokens": 6} | more
    answer = http.post("/v1/chat/completions", json=page)
    answer.raise_for_status()
    said: dict[str, Any] = answer.json()
    return said


def cached(page: dict[str, Any]) -> int:
    return int(page["usage"]["prompt_tokens_details"]["cached_tokens"])


@pytest.mark.parametrize("steps", [None, EngineSteps(base_ms=1)])
def test_the_next_turn_finds_the_earlier_ones_in_the_cache(
    serve: Serve, steps: EngineSteps | None
) -> None:
    http = serve(prefix_cache=CACHE, steps=steps)
    first = chat(http, "x" * 64)  # 16 tokens
    answer = first["choices"][0]["message"]["content"]
    assert answer == " quick brown fox jumps over a"  # 29 bytes: 8 tokens
    second = chat(http, "x" * 64, answer, "And then?")  # 3 tokens
    assert (cached(first), cached(second)) == (0, 24)
    stats = http.get("/stats").json()
    assert stats["cached_tokens"] == 24
    turns = {
        turn: (it["prompt_tokens"], it["cached_tokens"]) for turn, it in stats["turns"].items()
    }
    assert turns == {"1": (16, 0), "2": (27, 24)}


def test_what_is_cached_needs_no_prefill_and_the_truth_tells_it_by_turn(serve: Serve) -> None:
    http = serve(prefix_cache=CACHE, prefill_tokens_per_s=10_000)
    prompt = "x" * 4000  # 100 ms
    for contents in ((prompt,), (prompt, "yes", "go on")):
        http.post(
            "/v1/chat/completions",
            json={"messages": say(*contents), "max_tokens": 2, "stream": True},
        )
    stats = http.get("/stats").json()
    late = stats["lateness_ms"]["max"]
    first, second = (stats["turns"][turn]["ttft_ms"]["p50"] for turn in "12")
    assert 105 <= first <= 105 + late
    assert 5 <= second <= 5.5 + late


@pytest.mark.parametrize("api", ["openai-completions", "openai-chat", "llama.cpp", "sglang"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_dialects_tell_what_was_cached(serve: Serve, api: str, stream: bool) -> None:
    http, speaks = serve(prefix_cache=CACHE), dialect(api)
    ask = Ask("x" * 42, 3, "tiny", stream=stream)
    told = []
    for _ in range(2):
        body = http.post(speaks.path(ask), content=msgspec.json.encode(speaks.body(ask))).content
        if stream:
            events = [speaks.event(data) for data, _ in frames(body, speaks.framing)]
        else:
            events = [speaks.whole(body)]
        told.append({event.cached_tokens for event in events} - {None})
    assert told == [{0}, {8}]


def test_a_salt_keeps_out_of_the_cache(serve: Serve) -> None:
    http = serve(prefix_cache=CACHE)
    chat(http, "x" * 64)
    assert cached(chat(http, "x" * 64, cache_salt="mine")) == 0
    assert cached(chat(http, "x" * 64, cache_prompt=False)) == 0
    assert cached(chat(http, "x" * 64)) == 12


def test_vllms_counters_of_hits_are_told(serve: Serve) -> None:
    http = serve(prefix_cache=CACHE)
    before = hits(http)
    for _ in range(2):
        chat(http, "x" * 64)
    queried, hit = (b - a for a, b in zip(before, hits(http), strict=True))
    assert (queried, hit) == (32, 12)


def hits(http: httpx.Client) -> list[int]:
    lines = http.get("/metrics").text.splitlines()
    return [
        int(line.rpartition(" ")[2])
        for name in ("queries", "hits")
        for line in lines
        if line.startswith(f"vllm:prefix_cache_{name}_total ")
    ]


def test_without_a_cache_nothing_is_found_and_no_counter_told(serve: Serve) -> None:
    http = serve()
    assert [cached(chat(http, "x" * 64)) for _ in range(2)] == [0, 0]
    assert hits(http) == []


def test_a_conversation_with_the_servers_own_answers_goes_on(serve: Serve) -> None:
    http = serve(checks_history=True)
    said = ["Hello"]
    for turn in range(4):
        answer = chat(http, *said, max_tokens=6 + turn)["choices"][0]["message"]["content"]
        said += [answer, f"Go on {turn}"]
    assert len(set(said[1::2])) == 4  # each answer is one of its own
    assert http.get("/stats").json()["outcomes"] == {"ok": 4}


@pytest.mark.parametrize("fault", ["reasoning", "cut-anywhere", "short", "many-tokens-per-event"])
def test_an_answer_that_is_streamed_under_a_fault_is_known_again(serve: Serve, fault: str) -> None:
    http = serve(checks_history=True, fault=fault)
    page = {"messages": say("Hello"), "max_tokens": 9, "stream": True}
    text = http.post("/v1/chat/completions", json=page).text
    events = [line[6:] for line in text.split("\n") if line.startswith("data: {")]
    deltas = [msgspec.json.decode(event)["choices"] for event in events]
    answer = "".join(choice[0]["delta"].get("content", "") for choice in deltas if choice)
    assert chat(http, "Hello", answer, "Go on")["choices"]


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer[:-4],  # without its end
        lambda answer: answer.replace(" fox", "", 1),  # a token was lost
        lambda answer: "",
        lambda answer: " quick brown fox",  # of a server that doesn't check
    ],
)
def test_a_history_that_the_server_did_not_write_is_refused(
    serve: Serve, change: Callable[[str], str]
) -> None:
    http = serve(checks_history=True)
    answer = chat(http, "Hello", max_tokens=9)["choices"][0]["message"]["content"]
    page = {"messages": say("Hello", change(answer), "Go on")}
    refusal = http.post("/v1/chat/completions", json=page)
    assert refusal.status_code == 400
    assert refusal.json()["error"].startswith(
        "message 2 is not what this server answered to those before it: that begins with "
    )
    assert http.get("/stats").json()["outcomes"] == {"ok": 1, "foreign history": 1}


def test_an_answer_of_another_conversation_is_refused(serve: Serve) -> None:
    http = serve(checks_history=True)
    answer = chat(http, "Hello")["choices"][0]["message"]["content"]
    page = {"messages": say("Goodbye", answer, "Go on")}
    assert http.post("/v1/chat/completions", json=page).status_code == 400
