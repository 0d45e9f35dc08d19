"""What is said of a client whose report and truth are known."""

from typing import Any

import pytest
from msgspec import structs

from llmbench.judge.judged_loads import JudgedLoad, PlannedLoad, highest_within
from llmbench.judge.served_load import LoadFigures

TRUE = LoadFigures(96, 0, 50.0, 50.0, 20.0, 20.0, 12.0, 768.0)


def judged(
    users: int = 16, *, late_ms: float = 0.1, fault: str = "", **reported: Any
) -> JudgedLoad:
    return JudgedLoad(
        client="theirs",
        load=PlannedLoad(users, fault=fault),
        true=TRUE,
        reported=structs.replace(TRUE, **reported),
        failure="",
        users_mean=15.0,
        users_most=users,
        cpu_us_per_token=40.0,
        cpu_s=2.0,
        startup_s=1.0,
        server_late_p50_ms=0.05,
        server_late_p99_ms=late_ms,
    )


@pytest.mark.parametrize(
    ("reported", "verdict"),
    [
        ({}, "within 1 %"),
        ({"ttft_p99_ms": 50.49}, "within 1 %"),
        ({"ttft_p99_ms": 50.6}, "within 5 %"),
        ({"ttft_p99_ms": 60.0}, "TTFT p99 +20.0%"),
        ({"ttft_p50_ms": 40.0, "token_p99_ms": 24.0}, "TTFT p50 -20.0%; time per token p99 +20.0%"),
        ({"ttft_p99_ms": None}, "no TTFT p99"),
        ({"failed": 2}, "reports 2 of 0 failed requests"),
        ({"requests": 97}, "reports 97 requests, the server got 96"),
        ({"requests_per_s": 1.0, "tokens_per_s": 1.0}, "within 1 %"),
    ],
)
def test_the_verdict_says_what_is_wrong(reported: dict[str, Any], verdict: str) -> None:
    assert judged(**reported).verdict == verdict


def test_a_load_that_was_not_delivered_is_wrong() -> None:
    assert structs.replace(judged(), users_most=12).verdict == "only 12 users at once"


def test_a_late_server_accuses_nobody() -> None:
    late = judged(late_ms=5.1, ttft_p99_ms=90.0)
    assert late.verdict == late.noticed == "the server was late: not judged"
    assert late.problems(0.01) == ()
    assert judged(late_ms=5.0, ttft_p99_ms=90.0).verdict == "TTFT p99 +80.0%"


def test_a_client_without_figures_says_why() -> None:
    none = structs.replace(judged(), reported=None, failure="theirs: exit status 3")
    assert none.verdict == "no figures: theirs: exit status 3"
    assert none.noticed == "stops: theirs: exit status 3"


def test_a_fault_is_told_right_or_missed() -> None:
    assert judged(fault="a queue").noticed == "told right"
    assert judged(fault="an error event", ttft_p99_ms=60.0).noticed == (
        "told right (besides: TTFT p99 +20.0%)"
    )
    assert judged(fault="an error event", failed=3, ttft_p99_ms=60.0).noticed == (
        "missed: reports 3 of 0 failed requests (besides: TTFT p99 +20.0%)"
    )
    assert judged(fault="packed events", token_p50_ms=60.0).noticed == (
        "missed: time per token p50 +200.0%"
    )


def test_the_highest_load_ends_before_the_first_that_is_wrong() -> None:
    loads = [judged(16), judged(64, ttft_p50_ms=51.0), judged(256, ttft_p50_ms=60.0), judged(512)]
    assert highest_within(loads, 0.01) == 16
    assert highest_within(loads, 0.05) == 64
    assert highest_within(loads[2:], 0.05) is None


def test_a_load_that_was_not_judged_is_passed_over() -> None:
    loads = [judged(16), judged(64, late_ms=9.0), judged(256)]
    assert highest_within(loads, 0.01) == 256
    assert highest_within(loads[1:2], 0.01) is None


def test_a_client_that_breaks_down_is_believed_no_further() -> None:
    broken = structs.replace(judged(64), reported=None, failure="theirs: exit status 1")
    assert highest_within([judged(16), broken, judged(256)], 0.05) == 16
