"""A mix of classes: exact shares whoever carries the load, and each class's own truth."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmbench.cells import Arrivals, Cell, Shape, Users
from llmbench.config import SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.load.plan.shares import Shares, is_chosen, place_of
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import RequestRecord
from llmbench.results import CellSummary
from llmbench.store import RunDir
from llmbench.traffic import (
    Conversations,
    Lengths,
    Mix,
    Mixed,
    PromptsOfLength,
    Script,
    Scripts,
    TrafficClass,
)
from llmbench.value_types import Slo
from tests.load.conftest import simulating
from tests.load.serving import Scripted, answering, endpoint, read_request, response
from tests.load.talking import Talking

SHORT = TrafficClass("short", 0.75, Lengths("short", 40, 5))
LONG = TrafficClass("long", 0.25, Lengths("long", 400, 20), slo=Slo(ttft_ms={"p95": 1}))
MIX = Mix("tenants", (SHORT, LONG))


def prompts(tokens: int, count: int = 60) -> PromptsOfLength:
    """Prompts that the simulator counts as so many tokens, which is a quarter of their bytes."""
    texts = tuple(f"{k:>8} {'x' * (4 * tokens - 9)}" for k in range(count))
    return PromptsOfLength(texts, (tokens,) * count)


MATERIAL = Mixed((prompts(40), prompts(400)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    yield from simulating(SimulatedServer(ttft_ms=10, ms_per_token=1), tmp_path)


def run(
    path: Path, url: str, shape: Shape, mix: Mix = MIX, **options: Any
) -> tuple[list[RequestRecord], CellSummary]:
    cell = Cell("sim", 0, 0, shape, traffic=mix)
    folder = RunDir(path / str(len(list(path.iterdir()))))
    known: dict[str, Any] = {"repeat": 1, "seed": 1, "prompts_sha256": "x", "material": MATERIAL}
    done = run_cell(cell, endpoint(url), (), run=folder, **(known | options))
    records = list(folder.requests(cell.id))
    return records, summarise(done, table(records))


def planned(records: list[RequestRecord]) -> list[tuple[object, ...]]:
    """What was asked when, by whom and of which class."""
    asked = [(r.phase, r.user, r.request, r.traffic_class, r.prompt_index) for r in records]
    return sorted(asked)


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5), (0.7, 0.2, 0.1), (0.333, 0.333, 0.334), (0.05,) * 20]
)
def test_after_any_number_of_requests_no_share_is_off_by_a_whole_one(
    shares: tuple[float, ...],
) -> None:
    dealt, had = Shares(shares), Counter[int]()
    for place in range(2000):
        chosen, rank = dealt.at(place)
        assert rank == had[chosen]
        had[chosen] += 1
        assert all(abs(had[k] - w * (place + 1)) < 1 - 1e-9 for k, w in enumerate(shares))


@pytest.mark.parametrize("users", [1, 2, 3, 4, 7, 16])
def test_each_user_has_all_classes(users: int) -> None:
    dealt = Shares([0.5, 0.3, 0.2])
    places = [place_of(ordinal, users) for ordinal in range(40 * users)]
    assert sorted(places) == list(range(40 * users))
    for user in range(users):
        of_user = Counter(dealt.at(place)[0] for place in places[user::users])
        assert [of_user[k] for k in range(3)] == pytest.approx([20, 12, 8], abs=6)


def test_those_chosen_are_spread_evenly() -> None:
    from fractions import Fraction

    chosen = [is_chosen(rank, Fraction("0.3")) for rank in range(1000)]
    assert all(abs(sum(chosen[:n]) - 0.3 * n) <= 0.5 + 1e-9 for n in range(1001))


def test_shares_are_exact_and_the_plan_is_the_same_for_any_number_of_workers(
    server: str, tmp_path: Path
) -> None:
    alone, summary = run(tmp_path, server, Users(6, 6))
    shared, _ = run(tmp_path, server, Users(6, 6), workers=4)
    assert planned(alone) == planned(shared)
    assert [(one.name, one.requests, one.share) for one in summary.classes] == [
        ("short", 27, 0.75),
        ("long", 9, 0.25),
    ]


def test_shares_are_exact_in_an_open_loop(server: str, tmp_path: Path) -> None:
    shape = Arrivals(100.0, "constant", requests=32)
    alone, _ = run(tmp_path, server, shape)
    shared, _ = run(tmp_path, server, shape, workers=4)
    assert Counter(r.traffic_class for r in alone if r.phase == "measured") == {
        "short": 24,
        "long": 8,
    }
    measured = [
        sorted((r.request, r.traffic_class, r.prompt_index) for r in some if r.phase == "measured")
        for some in (alone, shared)
    ]
    assert measured[0] == measured[1]


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[str]:
    """300 ms and 1 ms for each prompt token, then a token every 20 ms."""
    config = SimulatedServer(ttft_ms=300, ms_per_token=20, prefill_tokens_per_s=1000)
    yield from simulating(config, tmp_path)


def test_the_truth_of_each_class_is_recovered(slow: str, tmp_path: Path) -> None:
    _, summary = run(tmp_path, slow, Arrivals(40.0, "constant", requests=40))
    for one, tokens in zip(summary.classes, (40, 400), strict=True):
        assert one.ttft_ms is not None and one.time_per_token_ms is not None
        assert one.ttft_ms.p50 == pytest.approx(300 + tokens, rel=0.01)
        assert one.time_per_token_ms.p50 == pytest.approx(20, rel=0.01)
        assert one.input_tokens is not None and one.input_tokens.p50 == tokens
    rates = [one.output_tokens_per_s for one in summary.classes]
    assert sum(rate or 0 for rate in rates) == pytest.approx(summary.output_tokens_per_s or 0)


def test_each_class_has_limits_of_its_own(server: str, tmp_path: Path) -> None:
    _, summary = run(tmp_path, server, Users(2, 8))
    short, long = summary.classes
    assert (short.goodput, short.limit_counts) == (None, ())
    assert (long.goodput, [count.over for count in long.limit_counts]) == (0.0, [long.in_window])
    assert (summary.goodput, summary.limit_counts) == (0.0, ())


def test_a_class_may_name_a_model_and_headers(tmp_path: Path) -> None:
    talking, heads = Talking(), []

    async def script(reader: Any, writer: Any) -> None:
        while True:
            head, _, body = (await read_request(reader)).partition(b"\r\n\r\n")
            heads.append((b"x-tenant: b" in head, b'"model":"lora-b"' in body))
            writer.write(response(talking._answer({"messages": []})))
            await writer.drain()

    named = structs.replace(LONG, model="lora-b", headers={"x-tenant": "b"})
    with Scripted(script) as scripted:
        run(tmp_path, scripted.url, Users(1, 4), Mix("m", (SHORT, named)), warmup_per_user=0)
    assert sorted(heads) == [(False, False)] * 3 + [(True, True)]


def test_conversations_beside_single_requests(tmp_path: Path) -> None:
    scripts = tuple(Script(tuple(f"q {k}.{turn}" for turn in range(3)), (2,) * 3) for k in range(9))
    chat = TrafficClass("chat", 0.5, Conversations("chat", output_tokens=2, turns=3))
    mix, talking = Mix("both", (chat, structs.replace(SHORT, share=0.5))), Talking()
    with Scripted(talking.script) as scripted:
        records, _ = run(
            tmp_path,
            scripted.url,
            Users(2, 4),
            mix,
            material=Mixed((Scripts(scripts), prompts(40))),
            warmup_per_user=0,
        )
    assert talking.wrong == []
    assert Counter(r.traffic_class for r in records) == {"chat": 4 * 3, "short": 4}
    assert {r.traffic for r in records} == {"both"}
    conversations = Counter(r.conversation for r in records if r.traffic_class == "chat")
    assert sorted(conversations.items()) == [(1, 3), (3, 3), (5, 3), (7, 3)]


def test_the_warm_up_has_every_class(server: str, tmp_path: Path) -> None:
    for users in (1, 2):
        records, _ = run(tmp_path, server, Users(users, 4))
        warm_up = [r.traffic_class or "" for r in records if r.phase == "warmup"]
        assert sorted(warm_up) == ["long", "short"]
    records, _ = run(tmp_path, server, Users(1, 4), warmup_per_user=0)
    assert {r.phase for r in records} == {"measured"}


def test_secrets_in_the_headers_of_a_class_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_B", "s3cret-of-tenant-b")
    named = structs.replace(SHORT, share=1.0, headers={"x-api-key": "$SECRET_OF_B"})
    refusal = response(b"no access for s3cret-of-tenant-b", status=b"403 Forbidden")
    with Scripted(answering(refusal)) as scripted:
        (record,), _ = run(
            tmp_path,
            scripted.url,
            Users(1, 1),
            Mix("m", (named,)),
            material=Mixed((prompts(40),)),
            warmup_per_user=0,
        )
    assert record.error == "HTTP 403: no access for ***"
