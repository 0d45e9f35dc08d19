"""The endpoints of the embedded llama.cpp besides completions, measured for real."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from llmbench.cells import Limits, Users
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.servers.running import RunningServer
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
