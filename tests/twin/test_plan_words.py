"""What a plan says of an answer, without a fleet."""

from msgspec import structs

from llmbench.config import Slo
from llmbench.twin.answering import FleetAnswer, Limit
from llmbench.twin.fleet.drawing import PassingEvent, Workload
from llmbench.twin.money import BreakEven, CostPoint, bill
from llmbench.twin.plan_words import break_even_line, curve_lines, plan_lines
from llmbench.twin.planning import Plan, Question
from tests.twin.test_plan import TWIN

LIMIT = Limit("TTFT p95", 1000.0, 400.0, 5.0)
ANSWER = FleetAnswer(3, (LIMIT,), 0.99, 0.002, 0.5, 0.9, True, 100.0, 20.0, 0.0, 0.0, 2300)
QUESTION = Question(Workload(((100, 20),), 10.0), Slo(ttft_ms={"p95": 1000.0}))
PLAN = Plan(QUESTION, ANSWER, None, 3, 4, ())


def said(plan: Plan, usd_per_hour: float | None = None) -> str:
    return "\n".join(plan_lines(TWIN, plan, usd_per_hour))


def test_both_errors_are_told() -> None:
    assert "3 replicas (3 to 4 at the ends of the twin's 90 % interval)" in said(PLAN)
    assert "TTFT p95            400 ± 5.00 ms (limit 1,000 ms)" in said(PLAN)
    assert "goodput 99.0% ± 0.2%" in said(PLAN)
    assert "4 draws of 2,300 requests, of whose time the first 20% and the last 5%" in said(PLAN)


def test_an_answer_within_two_standard_errors_of_a_limit_is_too_close_to_tell() -> None:
    near = structs.replace(ANSWER, limits=(structs.replace(LIMIT, value_ms=991.0),))
    assert "too close to tell" not in said(PLAN)
    assert "too close to tell: within two standard errors of a limit; it may be one off" in said(
        structs.replace(PLAN, answer=near)
    )


def test_caches_and_preemption_are_told_where_there_are_any() -> None:
    answer = structs.replace(ANSWER, cached_share=0.7, preemptions=0.25)
    words = said(structs.replace(PLAN, answer=answer))
    assert "70% of the prompts' tokens were in a prefix cache" in words
    assert "0.250 times for each request, memory had to be given back" in words


def test_a_burst_is_told_by_factor_and_length() -> None:
    workload = structs.replace(QUESTION.workload, event=PassingEvent(60.0, 3.0))
    words = said(structs.replace(PLAN, question=structs.replace(QUESTION, workload=workload)))
    assert "10.0 requests/s (Poisson), 3 times as many for 60 s, round-robin routing" in words


def test_hours_with_fewer_replicas_cost_less() -> None:
    words = said(structs.replace(PLAN, by_hour=(1,) * 12 + (3,) * 12), 2.0)
    assert "by the hour: 1 to 3, 2.0 in the mean" in words
    assert "cost: $6.00 an hour, $4,380 a month" in words
    assert "with as many as each hour needs: 33% less" in words


def test_the_curve_says_where_the_slo_is_missed_and_what_grows() -> None:
    behind = structs.replace(ANSWER, keeps_up=False)
    points = [
        CostPoint(share, rate, answer, bill(ANSWER, rate, 2.0))
        for share, rate, answer in ((0.5, 10.0, ANSWER), (0.9, 18.0, behind))
    ]
    *_, half, most = curve_lines(PLAN, points)
    assert half.split()[:6] == ["50%", "10.0", "1.67", "8.33", "400", "ms"]
    assert "met" in half
    assert "grows  missed" in most


def test_an_api_is_cheaper_where_replicas_would_have_to_serve_more_than_they_can() -> None:
    even = break_even_line("api", "2026-01-01", BreakEven(100.0, 12.0, 0.6))
    never = break_even_line("api", "2026-01-01", BreakEven(100.0, 40.0, 2.0))
    assert even.endswith("break-even at 12.0 requests/s, where they are used to 60%")
    assert never.endswith("more than these replicas can serve: the API is cheaper")
