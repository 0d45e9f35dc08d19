"""The harness against engines that we did not write: counts, times, queue and refused fields."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from llmbench.bench import Sought, served
from llmbench.cells import AnswerSchema, Cell, Users
from llmbench.gauges import GaugeSample
from llmbench.load.cell import run_cell
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import Endpoint, Prompt, RequestRecord
from llmbench.results import CellSummary
from llmbench.servers.placement.sysfs import usable_cores
from llmbench.servers.running import RunningServer
from llmbench.servers.scraping.gauge_watch import GaugeWatch
from llmbench.store import RunDir
from llmbench.traffic import Cache, Conversations
from llmbench.value_types import Images
from tests.engines.conftest import BLOCK, SLOTS
from tests.perf.conversation_truth import scripts

OUTPUT_TOKENS = 16
MOOD = '{"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}'
TEXT = "Tell me, in the plainest words that you can find, what a river does to the stone in it. "
PROMPTS = tuple(Prompt(f"{number}. {TEXT}", 24) for number in range(40))
NOTHING_LONGER_THAN = 0.1
"""Of the TTFT, or 60 ms: what an engine's own clock may leave unaccounted for here, where its API
process, its core and the load generator share two cores."""


def load(
    endpoint: Endpoint, folder: Path, users: int, api: str | None = None, *, requests: int = 2
) -> tuple[list[RequestRecord], CellSummary]:
    """So many requests of each user after one to warm up; the records and what they come to.

    The engine's gauges are read meanwhile, every fifth of a second.
    """
    cell = Cell("engine", 24, OUTPUT_TOKENS, Users(users, requests))
    run = RunDir.create(folder, None)
    target = endpoint if api is None else replace(endpoint, api=api)
    gauges: list[GaugeSample] = []
    watch = GaugeWatch("engine", [endpoint], gauges.append, period_s=0.2)
    with watch.during(cell.id, 1):
        cell_run = run_cell(
            cell,
            target,
            PROMPTS,
            run=run,
            repeat=1,
            seed=1,
            prompts_sha256="",
            cores=usable_cores()[-1:],
        )
    watch.close()
    records = [record for record in run.requests() if record.phase == "measured"]
    return records, summarise(cell_run, table(run.requests()), gauges=gauges)


def assert_whole(records: list[RequestRecord], users: int) -> None:
    """All succeeded, with as many tokens as asked, and the server's count of the prompt."""
    assert [(record.error_kind, record.error) for record in records] == [(None, None)] * users * 2
    assert {record.output_tokens for record in records} == {OUTPUT_TOKENS}
    assert {record.finish_reason for record in records} == {"length"}
    assert all((record.input_tokens or 0) > 10 for record in records)


@pytest.mark.parametrize(
    "api", ["openai-completions", "openai-chat", "openai-responses", "anthropic-messages"]
)
def test_vllm_gives_what_was_asked_for(vllm: RunningServer, tmp_path: Path, api: str) -> None:
    records, _ = load(vllm.endpoint, tmp_path, 2, api)
    assert_whole(records, 2)
    assert vllm.endpoint.left_out == ()


def test_vllm_gives_a_vector_for_each_input(embedder: RunningServer, tmp_path: Path) -> None:
    cell = Cell("engine", 24, 0, Users(2, 2), inputs=3)
    run = RunDir.create(tmp_path, None)
    run_cell(cell, embedder.endpoint, PROMPTS, run=run, repeat=1, seed=1, prompts_sha256="")
    records = [record for record in run.requests() if record.phase == "measured"]
    assert [(record.error_kind, record.error) for record in records] == [(None, None)] * 4
    assert all((record.input_tokens or 0) > 3 * 10 for record in records)
    assert {(record.inputs, record.output_tokens) for record in records} == {(3, None)}


@pytest.mark.parametrize("engine", ["vllm", "llama_cpp"])
def test_answers_conform_to_a_schema(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: RunningServer = request.getfixturevalue(engine)
    schema = AnswerSchema("mood", MOOD)
    cell = Cell("engine", 24, 3 * OUTPUT_TOKENS, Users(1, 3), schema=schema)
    run = RunDir.create(tmp_path, None)
    done = run_cell(cell, server.endpoint, PROMPTS, run=run, repeat=1, seed=1, prompts_sha256="")
    summary = summarise(done, table(run.requests()))
    assert (summary.errors, summary.conforming_share) == ({}, 1.0)


@pytest.mark.parametrize(
    ("engine", "words"),
    [("vllm", "is not a multimodal model"), ("llama_cpp", "image input is not supported")],
)
def test_a_model_of_text_refuses_images_in_its_servers_words(
    engine: str, words: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: RunningServer = request.getfixturevalue(engine)
    cell = Cell("engine", 24, OUTPUT_TOKENS, Users(1, 2), images=Images(1, 64, 64))
    run = RunDir.create(tmp_path, None)
    run_cell(cell, server.endpoint, PROMPTS, run=run, repeat=1, seed=1, prompts_sha256="")
    for record in run.requests():
        assert record.error_kind in ("http_4xx", "http_5xx")
        assert words in (record.error or "")


def test_vllms_own_times_are_ours(vllm: RunningServer, tmp_path: Path) -> None:
    _, summary = load(vllm.endpoint, tmp_path, 1)
    ttft, token = summary.ttft_ms, summary.time_per_token_ms
    theirs = summary.server_time_per_token_ms
    assert ttft is not None and token is not None and theirs is not None
    assert summary.ttft_unaccounted_mean_ms is not None
    assert -1 < summary.ttft_unaccounted_mean_ms < max(60, NOTHING_LONGER_THAN * ttft.mean)
    assert token.p50 == pytest.approx(theirs.p50, rel=0.1)


def test_vllms_queue_is_told_where_users_exceed_its_slots(
    vllm: RunningServer, tmp_path: Path
) -> None:
    records, summary = load(vllm.endpoint, tmp_path, 4)
    assert_whole(records, 4)
    assert summary.server_queue_mean_ms is not None and summary.ttft_ms is not None
    assert summary.server_queue_mean_ms > 0.2 * summary.ttft_ms.mean
    assert summary.ttft_unaccounted_mean_ms is not None
    assert summary.ttft_unaccounted_mean_ms > -1
    assert summary.server_readings_failed == 0
    assert summary.server_running_mean == pytest.approx(SLOTS, abs=0.6)
    assert summary.server_waiting_mean == pytest.approx(4 - SLOTS, abs=0.8)
    assert summary.server_kv_usage_mean is not None
    assert 0 < summary.server_kv_usage_mean < 1
    assert summary.server_preemptions == 0
    assert summary.server_drafts is None  # it doesn't speculate


def chat(endpoint: Endpoint, folder: Path, cache: Cache) -> tuple[list[RequestRecord], CellSummary]:
    """Conversations of three turns of one user, with the engine's gauges read meanwhile."""
    traffic = Conversations("chat", output_tokens=OUTPUT_TOKENS, turns=3)
    cell = Cell("engine", 0, 0, Users(1, 3), traffic=traffic, prefix_cache=cache)
    run = RunDir.create(folder, None)
    gauges: list[GaugeSample] = []
    watch = GaugeWatch("engine", [endpoint], gauges.append, period_s=0.2)
    with watch.during(cell.id, 1):
        cell_run = run_cell(
            cell,
            endpoint,
            (),
            material=scripts(9, 3, 400),
            run=run,
            repeat=1,
            seed=1,
            prompts_sha256="",
            warmup_per_user=0,
            cores=usable_cores()[-1:],
        )
    watch.close()
    return list(run.requests()), summarise(cell_run, table(run.requests()), gauges=gauges)


def test_vllms_prefix_cache_is_measured_off_and_on(vllm: RunningServer, tmp_path: Path) -> None:
    cold, off = chat(vllm.endpoint, tmp_path / "off", "off")
    warm, on = chat(vllm.endpoint, tmp_path / "on", "on")
    assert {record.error for record in (*cold, *warm)} == {None}
    assert {record.cached_tokens or 0 for record in cold} == {0}
    for record in warm:
        if (record.turn or 0) > 1:
            assert record.cached_tokens is not None and record.prefix_tokens is not None
            assert record.cached_tokens > record.prefix_tokens - 2 * BLOCK
            assert record.cached_tokens >= 0.9 * record.prefix_tokens
    assert off.server_cache_hits == 0
    assert on.server_cache_hits == sum(record.cached_tokens or 0 for record in warm)
    assert on.server_cache_queries == sum(record.input_tokens or 0 for record in warm)
    third, third_cached = off.turns[2].ttft_ms_p50, on.turns[2].ttft_ms_p50
    assert third is not None and third_cached is not None
    assert third_cached < third / 2


def test_transformers_is_measured_without_the_fields_that_it_refuses(
    transformers: RunningServer, tmp_path: Path
) -> None:
    left_out = {field.name for field in transformers.endpoint.left_out}
    assert {"ignore_eos", "min_tokens"} <= left_out
    records, _ = load(transformers.endpoint, tmp_path, 2)
    assert [record.error for record in records] == [None] * 4
    assert all(0 < (record.output_tokens or 0) <= OUTPUT_TOKENS for record in records)


@pytest.mark.parametrize("api", ["openai-completions", "openai-chat", "llama.cpp"])
def test_llama_cpp_gives_what_was_asked_for(
    llama_cpp: RunningServer, tmp_path: Path, api: str
) -> None:
    records, summary = load(llama_cpp.endpoint, tmp_path, 2, api)
    assert_whole(records, 2)
    assert summary.server_prefill_mean_ms is not None
    assert llama_cpp.endpoint.left_out == ()


def test_llama_cpps_queue_is_in_what_nobody_accounts_for(
    llama_cpp: RunningServer, tmp_path: Path
) -> None:
    _, alone = load(llama_cpp.endpoint, tmp_path / "1", 1)
    _, crowded = load(llama_cpp.endpoint, tmp_path / "4", 4, requests=6)
    assert alone.ttft_unaccounted_mean_ms is not None and alone.ttft_ms is not None
    assert -1 < alone.ttft_unaccounted_mean_ms < max(60, NOTHING_LONGER_THAN * alone.ttft_ms.mean)
    # it counts those that came during a step only after it, and tells its gauges before that
    assert crowded.server_waiting_mean is not None
    assert 0.5 < crowded.server_waiting_mean <= 4 - SLOTS
    assert crowded.server_running_mean == pytest.approx(SLOTS, abs=0.4)
    assert crowded.ttft_unaccounted_mean_ms is not None
    assert crowded.ttft_unaccounted_mean_ms > 2 * alone.ttft_unaccounted_mean_ms


@pytest.mark.parametrize(
    ("engine", "name", "api", "context"),
    [
        ("vllm", "vLLM", "openai-completions", 2048),
        ("llama_cpp", "llama.cpp", "llama.cpp", 4096),
    ],
)
def test_the_url_is_enough(
    engine: str, name: str, api: str, context: int, request: pytest.FixtureRequest
) -> None:
    server: RunningServer = request.getfixturevalue(engine)
    found = served(Sought(server.endpoint.base_url))
    assert (found.facts["engine"], found.model.api, found.context_tokens) == (name, api, context)
    assert found.model.model == server.endpoint.model
    assert found.facts["prompts"].startswith("counted by ")  # by the model's own files
    assert found.counter is None
