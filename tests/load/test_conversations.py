"""Conversations: who says what when, with the answers of the server in what follows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmbench.cells import Arrivals, Cell, Shape, Users
from llmbench.load.cell import run_cell
from llmbench.records import RequestRecord
from llmbench.store import RunDir
from llmbench.traffic import Conversations, Script, Scripts, Think, Traffic
from tests.load.serving import Scripted, endpoint
from tests.load.talking import Talking

SCRIPTS = Scripts(
    tuple(
        Script(
            tuple(f"question {k}.{turn} of this" for turn in range(1, 4)),
            (4, 4, 4),
            tuple(f"recorded {k}.{turn}" for turn in range(1, 4)),
        )
        for k in range(20)
    )
)
CHAT = Conversations("chat", output_tokens=2, turns=3)

Converse = Callable[..., list[RequestRecord]]


@pytest.fixture
def talking() -> Talking:
    return Talking()


@pytest.fixture
def converse(tmp_path: Path, talking: Talking) -> Converse:
    """Runs a cell against `talking`; its records by user and request."""
    runs = iter(range(1, 99))

    def converse(
        shape: Shape, traffic: Traffic = CHAT, material: Scripts = SCRIPTS, **options: Any
    ) -> list[RequestRecord]:
        cell, run = Cell("sim", 0, 0, shape, traffic=traffic), RunDir(tmp_path / str(next(runs)))
        known: dict[str, Any] = {"warmup_per_user": 0, "seed": 1, "repeat": 1}
        known["prompts_sha256"] = "x"
        with Scripted(talking.script) as server:
            run_cell(
                cell,
                endpoint(server.url, "openai-completions"),
                (),
                run=run,
                material=material,
                **(known | options),
            )
        return sorted(run.requests(cell.id), key=lambda r: (r.conversation or 0, r.turn or 0))

    return converse


def test_the_real_answer_is_in_the_next_request(talking: Talking, converse: Converse) -> None:
    records = converse(Users(1, 2))
    assert [(r.conversation, r.turn) for r in records] == [
        (conversation, turn) for conversation in (1, 2) for turn in (1, 2, 3)
    ]
    assert talking.wrong == []
    third = talking.bodies[2]["messages"]
    assert [m["role"] for m in third] == ["user", "assistant", "user", "assistant", "user"]  # type: ignore[attr-defined]
    assert [m["content"] for m in third[1::2]] == ["answer 1", "answer 2"]  # type: ignore[index]


def test_recorded_answers_are_the_sources_own(talking: Talking, converse: Converse) -> None:
    converse(Users(1, 1), structs.replace(CHAT, answers="recorded"))
    said = [m["content"] for m in talking.bodies[2]["messages"]]  # type: ignore[attr-defined]
    number = said[0].split()[1].partition(".")[0]
    assert said[1::2] == [f"recorded {number}.1", f"recorded {number}.2"]


def test_a_turn_knows_the_tokens_that_were_said_before_it(converse: Converse) -> None:
    first, second, third = converse(Users(1, 1))
    assert (first.prefix_tokens, first.input_tokens) == (0, 4)
    assert (second.prefix_tokens, second.input_tokens) == (4 + 2, 4 + 2 + 4)
    assert third.prefix_tokens == 10 + 2
    assert first.traffic == "chat" and first.prompt_tokens is None


def test_nothing_keeps_a_turn_from_the_cache_unless_asked(
    talking: Talking, converse: Converse
) -> None:
    converse(Users(1, 1))
    assert not any("cache_salt" in body for body in talking.bodies)
    assert all(body["cache_prompt"] is True for body in talking.bodies)
    converse(Users(1, 1), structs.replace(CHAT, cache="off"))
    salts = {body["cache_salt"] for body in talking.bodies[3:]}
    assert len(salts) == 3


def test_a_conversation_ends_before_its_context_is_full(converse: Converse) -> None:
    records = converse(Users(1, 1), material=structs.replace(SCRIPTS, context_tokens=80))
    assert [r.turn for r in records] == [1, 2]
    assert records[-1].conversation_end == "its next turn might not fit the context of 80 tokens"


def test_the_last_turn_is_a_reason(converse: Converse) -> None:
    ends = [r.conversation_end for r in converse(Users(1, 1))]
    assert ends == [None, None, "it was its last turn"]


def test_a_warm_up_has_one_turn(converse: Converse) -> None:
    records = converse(Users(2, 1), warmup_per_user=1)
    assert [(r.phase, r.turn) for r in records[:2]] == [("warmup", 1), ("warmup", 1)]
    assert sum(r.phase == "measured" for r in records) == 2 * 3


def test_a_user_thinks_between_turns_and_not_in_a_ttft(converse: Converse) -> None:
    first, second, _ = converse(Users(1, 1), structs.replace(CHAT, think=Think(0.05)))
    assert first.think_ns is None and second.think_ns == 50_000_000
    assert second.sent_ns is not None and second.first_token_ns is not None
    assert second.sent_ns - first.done_ns >= 49_000_000
    assert second.first_token_ns - second.sent_ns < 40_000_000


@pytest.mark.parametrize("distribution", ["exponential", "lognormal"])
def test_the_plan_is_the_same_for_any_number_of_workers(
    talking: Talking, converse: Converse, distribution: Any
) -> None:
    traffic = structs.replace(CHAT, think=Think(0.003, distribution))

    def plan(repeat: int, workers: int) -> list[tuple[object, ...]]:
        records = converse(Users(4, 2), traffic, repeat=repeat, workers=workers)
        return [(r.user, r.conversation, r.turn, r.prompt_index, r.think_ns) for r in records]

    alone = plan(1, 1)
    assert plan(1, 4) == alone
    assert len({think for *_, think in alone}) > 10
    assert talking.wrong == []


def test_conversations_arrive_in_an_open_loop(talking: Talking, converse: Converse) -> None:
    records = converse(Arrivals(100.0, "constant", requests=5))
    assert [(r.conversation, r.turn) for r in records] == [
        (conversation, turn) for conversation in range(1, 6) for turn in (1, 2, 3)
    ]
    assert len({r.request for r in records}) == 15
    assert talking.wrong == []


def test_a_failed_request_ends_its_conversation(tmp_path: Path) -> None:
    from tests.load.serving import answering, response

    run = RunDir(tmp_path)
    cell = Cell("sim", 0, 0, Users(1, 2), traffic=CHAT)
    with Scripted(answering(response(b"no", status=b"400 Bad Request"))) as server:
        run_cell(
            cell,
            endpoint(server.url, "openai-chat"),
            (),
            run=run,
            repeat=1,
            seed=1,
            prompts_sha256="x",
            material=SCRIPTS,
            warmup_per_user=0,
        )
    records = list(run.requests(cell.id))
    assert [r.conversation_end for r in records] == ["its request failed (http_4xx)"] * 2
