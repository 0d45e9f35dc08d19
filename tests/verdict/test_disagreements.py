"""When the client's and the server's view differ enough to be told, and in which words."""

from typing import Any

import pytest

from llmbench.config import Slo
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import ServerSums, Sum
from llmbench.verdict.validity import judge
from tests.metrics.making import back_to_back, cell_run

REST = "the rest is waiting that its clock does not count, the network, or a proxy"


def noted(
    *,
    ttft_ms: float = 50.0,
    gap_ms: float = 20.0,
    requests: int = 5,
    told: dict[str, Any] | None = None,
    **sums: Sum,
) -> tuple[str, ...]:
    """The notes of a valid cell: five tokens a request."""
    run = cell_run(server_sums=ServerSums(**sums))
    records = back_to_back(requests, ttft_ms=ttft_ms, gap_ms=gap_ms, **(told or {}))
    result = judge(summarise(run, table(records)), run, Slo())
    assert result.valid, result.why
    return result.notes


def test_views_that_agree_are_no_news() -> None:
    assert noted(ttft=Sum(5, 250.0), token=Sum(20, 400.0), latency=Sum(5, 650.0)) == ()


def test_a_longer_ttft_here_by_histograms() -> None:
    assert noted(ttft=Sum(5, 200.0)) == (
        f"TTFT (mean): 50.0 ms here, 40.0 ms by the server's clock; {REST}",
    )


def test_a_longer_ttft_here_by_what_requests_tell() -> None:
    assert noted(told={"server_prompt_ms": 44.0, "server_queue_ms": 0.5}) == (
        f"TTFT (median): 50.0 ms here, 44.5 ms by the server's clock; {REST}",
    )


def test_a_shorter_ttft_here() -> None:
    assert noted(ttft=Sum(5, 300.0)) == (
        "TTFT (mean): 50.0 ms here, 60.0 ms by the server's clock; "
        "its clock counts time that no request spent waiting here",
    )


def test_time_per_token() -> None:
    assert noted(token=Sum(20, 360.0)) == (
        f"time per token (mean): 20.0 ms here, 18.0 ms by the server's clock; {REST}",
    )


def test_tokens_that_were_all_read_at_once_are_told_too() -> None:
    assert noted(gap_ms=0.0, told={"server_prompt_ms": 50.0, "server_decode_ms": 20.0}) == (
        "time per token (median): 0.0 ms here, 5.0 ms by the server's clock; "
        "its clock counts time that no request spent waiting here",
    )


def test_latency_stands_in_where_no_ttft_is_told() -> None:
    assert noted(latency=Sum(5, 600.0)) == (
        f"latency (mean): 130.0 ms here, 120.0 ms by the server's clock; {REST}",
    )
    assert noted(latency=Sum(5, 600.0), ttft=Sum(5, 250.0)) == ()


@pytest.mark.parametrize(
    ("ttft_ms", "theirs_ms"),
    [(50.0, 45.0), (1000.0, 950.0), (10.0, 5.0)],
)
def test_5_ms_or_5_percent_are_let_pass(ttft_ms: float, theirs_ms: float) -> None:
    assert noted(ttft_ms=ttft_ms, ttft=Sum(5, 5 * theirs_ms)) == ()


@pytest.mark.parametrize(("gap_ms", "theirs_ms"), [(20.0, 19.0), (100.0, 95.0), (2.0, 1.0)])
def test_1_ms_or_5_percent_of_a_token_are_let_pass(gap_ms: float, theirs_ms: float) -> None:
    assert noted(gap_ms=gap_ms, token=Sum(20, 20 * theirs_ms)) == ()
