"""The server's histograms against the client's means: 5 requests of 5 tokens, 50 ms and 20 ms."""

from typing import Any

import msgspec
import pytest

from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import RequestRecord, ServerSums, Sum
from llmbench.results import CellSummary
from tests.metrics.making import back_to_back, cell_run, failure, request

WARMUP = request(phase="warmup", ttft_ms=150.0)
CELL = [WARMUP, *back_to_back(4, start_ms=300.0)]


def summary(records: list[RequestRecord] = CELL, **sums: Sum) -> CellSummary:
    return summarise(cell_run(server_sums=ServerSums(**sums)), table(records))


def test_means_are_of_all_requests_with_the_warm_up() -> None:
    found = summary(ttft=Sum(5, 325.0))
    assert found.server_ttft_mean_ms == 65.0
    assert found.ttft_difference_ms == 70.0 - 65.0
    assert found.server_ttft_ms is None


def test_time_per_token_is_of_all_tokens_pooled() -> None:
    found = summary(token=Sum(20, 380.0))
    assert found.server_time_per_token_mean_ms == 19.0
    assert found.time_per_token_difference_ms == pytest.approx(1.0)


def test_other_counts_than_of_tokens_or_events_are_not_compared() -> None:
    found = summary(token=Sum(5, 100.0))
    assert found.server_time_per_token_mean_ms is found.time_per_token_difference_ms is None


def test_gaps_between_events_of_several_tokens_are_shared_among_them() -> None:
    records = [
        request(200.0 * n, output_tokens=10, first_event_tokens=2, event_tokens=(2,) * 5)
        for n in range(4)
    ]
    found = summary(records, token=Sum(16, 288.0))
    assert found.server_time_per_token_mean_ms == 9.0
    assert found.time_per_token_difference_ms == pytest.approx(1.0)


def test_whole_latency_is_compared_where_nothing_else_is_told() -> None:
    found = summary(latency=Sum(5, 700.0))
    assert found.server_latency_mean_ms == 140.0
    assert found.latency_difference_ms == 150.0 - 140.0
    assert (found.ttft_difference_ms, found.time_per_token_difference_ms) == (None, None)


def test_a_server_that_served_others_too_is_not_compared() -> None:
    found = summary(ttft=Sum(6, 325.0), token=Sum(27, 380.0), latency=Sum(6, 700.0))
    assert found.server_ttft_mean_ms is found.ttft_difference_ms is None
    assert found.server_time_per_token_mean_ms is found.time_per_token_difference_ms is None
    assert found.server_latency_mean_ms is found.latency_difference_ms is None


def test_one_request_in_a_hundred_may_be_missing() -> None:
    many = [request(200.0 * n) for n in range(100)]
    assert summary(many, ttft=Sum(99, 4950.0)).ttft_difference_ms == 0.0
    assert summary(many, ttft=Sum(98, 4900.0)).ttft_difference_ms is None


def test_requests_that_failed_before_a_token_are_not_in_the_means() -> None:
    found = summary([*CELL, failure(1000.0)], ttft=Sum(5, 325.0), latency=Sum(5, 700.0))
    assert (found.ttft_difference_ms, found.latency_difference_ms) == (5.0, 10.0)


def test_without_a_stream_the_servers_means_stand_alone() -> None:
    stamps = ("first_token_ns", "first_token_earliest_ns", "first_answer_ns", "last_token_ns")
    gone: dict[str, Any] = dict.fromkeys(stamps)
    records = [request(200.0 * n, event_ns=(), events=0, **gone) for n in range(5)]
    found = summary(records, ttft=Sum(5, 250.0), token=Sum(20, 400.0), latency=Sum(5, 600.0))
    assert (found.server_ttft_mean_ms, found.ttft_difference_ms) == (50.0, None)
    assert (found.server_time_per_token_mean_ms, found.time_per_token_difference_ms) == (20.0, None)
    assert (found.server_latency_mean_ms, found.latency_difference_ms) == (120.0, 10.0)


def test_what_each_request_tells_goes_before_histograms() -> None:
    records = back_to_back(5, server_prompt_ms=45.0, server_decode_ms=76.0)
    found = summary(records, ttft=Sum(5, 200.0))
    assert found.ttft_difference_ms == 5.0
    assert found.server_ttft_mean_ms == 40.0


def test_without_histograms_nothing_is_known() -> None:
    found = summarise(cell_run(), table(CELL))
    assert found.server_ttft_mean_ms is found.ttft_difference_ms is None


def test_what_the_server_tells_can_be_written_down() -> None:
    told: Any = {"server_queue_ms": 10.0, "server_prompt_ms": 30.0, "server_decode_ms": 76.0}
    found = summarise(cell_run(), table(back_to_back(5, **told)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=CellSummary) == found


def test_the_parts_add_up_to_ttft_and_latency() -> None:
    told: Any = {"server_queue_ms": 10.0, "server_prompt_ms": 30.0, "server_decode_ms": 76.0}
    found = summarise(cell_run(), table(back_to_back(5, **told)))
    assert found.ttft_ms is not None and found.latency_ms is not None
    parts = (found.server_queue_mean_ms, found.server_prefill_mean_ms)
    assert parts == (10.0, 30.0)
    assert found.ttft_unaccounted_mean_ms == pytest.approx(found.ttft_ms.mean - 40.0)
    assert found.unaccounted_mean_ms == pytest.approx(found.latency_ms.mean - 116.0)


def test_a_queue_that_the_server_does_not_tell_is_not_known() -> None:
    found = summarise(cell_run(), table(back_to_back(5, server_prompt_ms=45.0)))
    assert found.server_queue_mean_ms is found.server_decode_mean_ms is None
    assert found.unaccounted_mean_ms is None
    assert found.ttft_ms is not None
    assert found.ttft_unaccounted_mean_ms == pytest.approx(found.ttft_ms.mean - 45.0)


def test_without_the_servers_prefill_no_part_is_known() -> None:
    found = summarise(cell_run(), table(back_to_back(5, server_queue_ms=3.0)))
    assert found.server_queue_mean_ms is found.ttft_unaccounted_mean_ms is None
