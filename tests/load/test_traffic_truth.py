"""Traffic against a simulated engine with a prefix cache, whose truth is known."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmbench.cells import Arrivals, Cell, Shape, Users
from llmbench.config import SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.load.plan.maker import Drawing
from llmbench.load.plan.synthetic_images import SyntheticImages
from llmbench.load.plan.talks import Talk
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import RequestRecord
from llmbench.results import CellSummary
from llmbench.store import RunDir
from llmbench.traffic import (
    Bodies,
    Conversations,
    Material,
    Prefixes,
    Replayed,
    ReplayedBody,
    Script,
    Scripts,
    SharedPrefix,
    Traffic,
)
from llmbench.value_types import Images, PrefixCacheSize
from tests.load.conftest import simulating
from tests.load.serving import endpoint
from tests.perf.conversation_truth import converse, scripts, turn_truths

TTFT_MS, PREFILL_PER_S, BLOCK = 20.0, 5000.0, 16
CHAT = Conversations("chat", output_tokens=40, turns=4)
SCRIPTS = Scripts(
    tuple(
        Script(tuple(f"{k:>4}.{turn} " + "word " * 63 for turn in range(4)), (81,) * 4)
        for k in range(60)
    )
)


@pytest.fixture
def caching(tmp_path: Path) -> Iterator[str]:
    """20 ms and 0.2 ms for each prompt token that isn't in the cache; it knows its own answers."""
    cache = PrefixCacheSize(tokens=1_000_000, block_tokens=BLOCK)
    server = SimulatedServer(
        ttft_ms=TTFT_MS,
        ms_per_token=1,
        prefill_tokens_per_s=PREFILL_PER_S,
        prefix_cache=cache,
        checks_history=True,
    )
    yield from simulating(server, tmp_path)


def run(
    path: Path,
    url: str,
    shape: Shape,
    traffic: Traffic,
    material: Material,
    api: str = "openai-completions",
    **options: Any,
) -> tuple[list[RequestRecord], CellSummary]:
    cell, folder = Cell("sim", 0, 0, shape, traffic=traffic), RunDir(path)
    known: dict[str, Any] = {"repeat": 1, "seed": 1, "prompts_sha256": "x"} | options
    done = run_cell(cell, endpoint(url, api), (), run=folder, material=material, **known)
    records = list(folder.requests(cell.id))
    return records, summarise(done, table(records))


@pytest.mark.parametrize("shape", [Users(8, 3), Arrivals(40.0, "constant", requests=20)])
def test_turns_are_found_in_the_cache_and_their_ttft_says_so(
    caching: str, tmp_path: Path, shape: Shape
) -> None:
    records, summary = run(tmp_path, caching, shape, CHAT, SCRIPTS)
    assert {record.error for record in records} == {None}  # each history held its own answers
    later = [record for record in records if (record.turn or 0) > 1]
    assert len(later) > 30
    for record in later:
        assert record.prefix_tokens is not None and record.cached_tokens is not None
        assert 0 <= record.prefix_tokens - record.cached_tokens < BLOCK
    assert [turn.turn for turn in summary.turns] == [1, 2, 3, 4]
    for turn in summary.turns[1:]:
        of_turn = [r for r in later if r.turn == turn.turn]
        computed = (of_turn[0].input_tokens or 0) - (of_turn[0].cached_tokens or 0)
        truth_ms = TTFT_MS + computed / PREFILL_PER_S * 1e3
        assert turn.ttft_ms_p50 == pytest.approx(truth_ms, abs=6)
        assert turn.cached_share == pytest.approx(turn.possible_share, abs=0.1)


@pytest.mark.parametrize("api", ["openai-responses", "anthropic-messages"])
def test_conversations_go_to_the_endpoint_that_was_asked_for(
    caching: str, tmp_path: Path, api: str
) -> None:
    records, _ = run(tmp_path, caching, Users(2, 1), CHAT, SCRIPTS, api=api)
    assert {record.error for record in records} == {None}
    assert max(record.turn or 0 for record in records) == 4


def test_with_the_cache_off_every_turn_is_computed_anew(caching: str, tmp_path: Path) -> None:
    apart = Conversations("apart", output_tokens=40, cache="off")
    records, summary = run(tmp_path, caching, Users(2, 1), apart, SCRIPTS)
    assert {record.cached_tokens for record in records} == {0}
    first, *_, last = summary.turns
    assert first.ttft_ms_p50 is not None and last.ttft_ms_p50 is not None
    assert last.ttft_ms_p50 > first.ttft_ms_p50 + 50


def test_the_share_of_a_prefix_is_known_by_construction(caching: str, tmp_path: Path) -> None:
    shared = SharedPrefix("rag", 2, prefix_tokens=160, suffix_tokens=8, output_tokens=2)
    material = Prefixes(
        tuple(f"{group:>9} " + "word" * 157 + "word" for group in range(3)),
        tuple(f"{k:>32}" for k in range(30)),
    )
    records, summary = run(tmp_path, caching, Users(1, 12), shared, material)
    measured = [record for record in records if record.phase == "measured"]
    first_of = {record.traffic_class: record for record in reversed(measured)}
    assert set(first_of) == {"group 1", "group 2"}
    assert [r.prefix_tokens for r in measured].count(0) == 2
    assert all(first.prefix_tokens == 0 for first in first_of.values())
    assert all(first.cached_tokens == 0 for first in first_of.values())
    for record in measured:
        if record is not first_of[record.traffic_class]:
            assert (record.prefix_tokens, record.cached_tokens) == (160, 160)
    assert summary.possible_cached_share == pytest.approx(summary.cached_share)
    assert summary.input_length_hit_rate is not None


def test_bodies_are_replayed_as_they_are(caching: str, tmp_path: Path) -> None:
    replay = Replayed("replay", "none.jsonl")
    bodies = tuple(
        ReplayedBody(b'{"prompt": "%d is here", "max_tokens": %d}' % (k, k + 2), k + 2)
        for k in range(5)
    )
    records, summary = run(tmp_path, caching, Users(1, 5), replay, Bodies(bodies, chat=False))
    measured = [record for record in records if record.phase == "measured"]
    assert [record.output_tokens for record in measured] == [2, 3, 4, 5, 6]
    assert {record.requested_output_tokens for record in measured} == {None}
    assert {record.prompt_tokens for record in measured} == {None}
    assert summary.output_length_hit_rate is None
    assert summary.input_length_hit_rate is None


def test_the_images_of_replayed_bodies_are_counted(caching: str, tmp_path: Path) -> None:
    seeing = Cell("sim", 8, 8, Users(1), images=Images(1, 56, 28))
    (png,) = SyntheticImages(seeing, Drawing(1, 1, "salt")).of(0)
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
    contents: list[Any] = ["no image", [{"type": "text", "text": "look"}, shown, shown]]
    bodies = tuple(
        ReplayedBody(json.dumps({"messages": [{"role": "user", "content": c}]}).encode(), 4)
        for c in contents
    )
    replay = Replayed("replay", "none.jsonl")
    records, summary = run(tmp_path, caching, Users(1, 2), replay, Bodies(bodies))
    measured = [record for record in records if record.phase == "measured"]
    assert [(record.images, record.input_tokens) for record in measured] == [(None, 2), (2, 5)]
    assert summary.images_per_s == pytest.approx(summary.requests_per_s)


def test_each_turn_is_as_the_server_recorded_it(caching: str, tmp_path: Path) -> None:
    material = scripts(48, 4, 50)
    converse(endpoint(caching, "openai-chat"), RunDir(tmp_path), Users(16, 3), material, 4, 8)
    turns = turn_truths(caching, RunDir(tmp_path))
    assert [turn.turn for turn in turns] == [1, 2, 3, 4]
    for turn in turns:
        assert turn.share == turn.true_share
        assert turn.ttft_ms == pytest.approx(turn.true_ttft_ms, abs=3)
    assert turns[-1].share > 0.5


def test_a_conversation_that_ended_is_forgotten(caching: str, tmp_path: Path) -> None:
    alive: list[int] = []

    def look(progress: object) -> None:
        alive.append(sum(isinstance(one, Talk) for one in gc.get_objects()))

    target = endpoint(caching, "openai-chat")
    converse(target, RunDir(tmp_path), Users(4, 8), scripts(60, 2, 4), 2, 2, progress=look)
    assert 0 < max(alive) <= 2 * 4  # of 32: those under way, and the one that each took before
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Talk)]


def test_the_popularity_of_groups_follows_zipfs_law() -> None:
    from llmbench.apis import dialect
    from llmbench.load.plan.class_requests import traffic_maker
    from llmbench.load.plan.maker import Drawing
    from llmbench.load.wire.target import Target

    target = Target(endpoint("http://127.0.0.1:1"), dialect("openai-completions"))
    shared = SharedPrefix("rag", 3, 16, 4, 2, popularity="zipf")
    cell = Cell("sim", 0, 0, Users(1), traffic=shared)
    drawing = Drawing(seed=1, repeat=1, salt="s")
    maker = traffic_maker(cell, Prefixes(("a", "b", "c", "w"), ("1",)), (target,), drawing)
    classes = [
        maker.make(k, user=1, request=k, phase="measured").traffic_class for k in range(2000)
    ]
    shares = [classes.count(f"group {n}") / 2000 for n in (1, 2, 3)]
    assert shares == pytest.approx([6 / 11, 3 / 11, 2 / 11], abs=0.03)
