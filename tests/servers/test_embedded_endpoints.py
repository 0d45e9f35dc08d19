"""The endpoints of the embedded llama.cpp besides completions, measured for real."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from llmbench.apis import Ask, ChatDialect, Dialect, Event, dialect
from llmbench.cells import AnswerSchema, Limits, Users
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.servers.running import LaunchError, RunningServer
from tests.load.serving import Load
from tests.servers.test_embedded import model, needs_engine

pytestmark = needs_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    logs = tmp_path_factory.mktemp("embedded")
    config = model(slots=2, context_tokens=512)
    with launch(config, Limits(), log_dir=logs, cores=place(1), session="s") as server:
        yield server


@pytest.mark.parametrize("api", ["openai-responses", "anthropic-messages"])
@pytest.mark.parametrize("stream", [True, False])
def test_named_events_of_a_real_engine_are_all_understood(
    engine: RunningServer, tmp_path: Path, api: str, stream: bool
) -> None:
    client = replace(engine.endpoint.client, stream=stream)
    load = Load(tmp_path / "run")
    records = load(replace(engine.endpoint, api=api, client=client), Users(2, 2))
    assert [(record.error_kind, record.error) for record in records] == [(None, None)] * 4
    assert {(record.output_tokens, record.counted_by) for record in records} == {(8, "server")}
    assert all((record.input_tokens or 0) > 10 for record in records)
    assert {record.cached_tokens for record in records} == {0}
    if stream:
        assert {len(record.event_ns) for record in records} <= {7, 8}  # a token may hold no text
        assert all(record.first_token_ns for record in records)


TEXT = "Tell me, in the plainest words that you can find, what a river does to the stone in it. "


@pytest.mark.parametrize(
    ("api", "is_cached"),
    [("openai-chat", True), ("openai-responses", True), ("anthropic-messages", False)],
)
def test_a_real_engine_gets_all_turns_and_finds_the_first_in_its_cache(
    engine: RunningServer, api: str, is_cached: bool
) -> None:
    """llama.cpp doesn't hand on ``cache_prompt`` from messages; there its launch decides (off)."""
    speaks = dialect(api)
    assert isinstance(speaks, ChatDialect)
    first = Ask("", 12, "smollm2", stream=False, reuse=True, messages=(("user", TEXT * 4),))
    body, before = whole(engine, speaks, first)
    answer = speaks.said(body)
    assert answer.strip()
    talk = (*first.messages, ("assistant", answer), ("user", "And to the sand?"))
    _, after = whole(engine, speaks, replace(first, messages=talk))
    assert before.input_tokens is not None and after.input_tokens is not None
    assert before.output_tokens is not None and after.cached_tokens is not None
    earlier = before.input_tokens + before.output_tokens
    assert after.input_tokens > earlier
    least = 0.9 * earlier if is_cached else 0
    assert least <= after.cached_tokens <= (earlier if is_cached else 0)


def whole(engine: RunningServer, speaks: Dialect, ask: Ask) -> tuple[bytes, Event]:
    """The body of an answer that is not streamed, and what it says."""
    url = engine.endpoint.base_url + speaks.path(ask)
    response = httpx.post(url, content=msgspec.json.encode(speaks.body(ask)), timeout=60)
    return response.content, speaks.whole(response.content)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    logs = tmp_path_factory.mktemp("embedder")
    config = replace(model(slots=2, context_tokens=512, pooling="mean"), api="openai-embeddings")
    with launch(config, Limits(), log_dir=logs, cores=place(1), session="s") as server:
        yield server


@pytest.mark.parametrize("inputs", [1, 3])
def test_a_real_engine_gives_a_vector_for_each_input(
    embedder: RunningServer, tmp_path: Path, inputs: int
) -> None:
    load = Load(tmp_path / "run")
    records = load(embedder.endpoint, Users(2, 2), output_tokens=0, inputs=inputs)
    assert [(record.error_kind, record.error) for record in records] == [(None, None)] * 4
    assert {record.inputs for record in records} == {inputs}
    assert {record.output_tokens for record in records} == {None}
    assert {record.first_token_ns for record in records} == {None}
    assert all((record.input_tokens or 0) >= 5 * inputs for record in records)


def test_a_model_that_pools_nothing_says_so_at_its_launch(tmp_path: Path) -> None:
    config = replace(model(slots=1, context_tokens=512), api="openai-embeddings")
    start = launch(config, Limits(), log_dir=tmp_path, cores=place(1), session="s")
    with pytest.raises(LaunchError, match="ooling type 'none' is not OAI compatible"), start:
        pass


def test_a_real_engines_answers_conform_to_a_schema(engine: RunningServer, tmp_path: Path) -> None:
    load = Load(tmp_path / "run")
    mood = {"type": "object", "properties": {"mood": {"enum": ["glad", "calm"]}}}
    schema = AnswerSchema("mood", json.dumps(mood | {"required": ["mood"]}))
    records = load(engine.endpoint, Users(1, 2), output_tokens=48, schema=schema)
    assert [(record.error_kind, record.error) for record in records] == [(None, None)] * 2
    assert {record.finish_reason for record in records} == {"stop"}
