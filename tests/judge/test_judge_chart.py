"""What the chart's title says, and when there is no chart."""

from typing import Any

from msgspec import structs

from llmbench.judge.judge_chart import finding, judge_chart
from llmbench.judge.judge_tables import markdown_text, sentence
from llmbench.judge.judged_loads import JudgedLoad, PlannedLoad
from llmbench.judge.refereeing import JudgedClient, Judgement
from llmbench.servers import Placement
from tests.judge.test_judged_loads import judged


def client(name: str, *loads: JudgedLoad) -> JudgedClient:
    named = tuple(structs.replace(load, client=name) for load in loads)
    return JudgedClient(name, name, "1.0", "c {url} {result}", "", {"c.yml": "to: {url}"}, named)


def judgement(*clients: JudgedClient) -> Judgement:
    return Judgement("2026-11-26", "0.2", "2 cores", Placement((0,), (1,)), clients)


RIGHT = client("right", judged(16), judged(64))
WRONG = client("wrong", judged(16, ttft_p99_ms=52.0), judged(64, ttft_p99_ms=180.0))


def test_the_title_names_the_best_and_the_worst() -> None:
    assert finding([WRONG, RIGHT]) == (
        "right is within 1 % of the truth up to 64 users; with 64 wrong reports a TTFT p99 of "
        "180 ms instead of 50"
    )
    assert finding([RIGHT]) == "right is within 1 % of the truth up to 64 users"
    assert finding([client("all wrong", judged(16, ttft_p50_ms=52.0))]) == (
        "No client is within 1 % of the truth"
    )


def test_one_load_makes_no_chart() -> None:
    assert judge_chart(judgement(client("one", judged(16)))) is None


def test_loads_that_can_not_be_judged_are_left_out() -> None:
    late: Any = judged(64, late_ms=30.0)
    assert judge_chart(judgement(client("late", judged(16), late))) is None
    assert judge_chart(judgement(RIGHT, client("late", judged(16), late))) is not None


def test_the_overhead_page_is_no_part_of_the_climb() -> None:
    page = structs.replace(judged(1000, ttft_p50_ms=90.0), load=PlannedLoad(1000, ms_per_token=10))
    made = client("theirs", judged(16), page, judged(16, fault="a queue", ttft_p50_ms=99.0))
    assert (
        sentence(made) == "theirs: within 1 % and 5 % of the truth up to 16 users (tried: up to 16)"
    )


def test_a_client_is_not_judged_where_the_server_was_always_late() -> None:
    made = client("theirs", judged(16, late_ms=30.0))
    assert sentence(made) == "theirs: not judged, as the server was late under every load"


def test_the_page_shows_what_a_client_was_given_and_the_users_that_it_reached() -> None:
    page = markdown_text(judgement(RIGHT), None)
    assert "right's `c.yml`:\n\n```\nto: {url}\n```" in page
    assert "| 64 (15) |" in page
    assert "judge.png" not in page
