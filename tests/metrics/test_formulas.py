import math

import pytest

from llmbench.metrics.tables import table
from llmbench.records import RequestRecord
from tests.metrics.making import MS, START_NS, failure, request


def value(record: RequestRecord, column: str) -> float:
    return float(table([record])[column].iloc[0])


def test_latency_ends_at_the_last_token_not_at_the_end_of_the_message() -> None:
    assert value(request(done_ns=START_NS + 500 * MS), "latency_ms") == 130.0


def test_latency_without_a_stream_is_the_whole_message_and_ttft_is_not_known() -> None:
    record = request(done_ns=START_NS + 500 * MS, first_token_ns=None, last_token_ns=None)
    assert value(record, "latency_ms") == 500.0
    assert math.isnan(value(record, "ttft_ms"))
    assert math.isnan(value(record, "time_per_token_ms"))


def test_time_per_token_leaves_the_first_token_out() -> None:
    assert value(request(tokens=5, gap_ms=20.0), "time_per_token_ms") == 20.0


def test_time_per_token_leaves_out_all_tokens_of_the_first_event() -> None:
    record = request(tokens=5, output_tokens=7, first_event_tokens=3)
    assert value(record, "time_per_token_ms") == 20.0


def test_time_per_token_takes_events_as_equally_large_where_only_their_sum_is_told() -> None:
    """16 tokens in two events 80 ms apart, as speculative decoding sends them: 10 ms a token."""
    record = request(tokens=2, gap_ms=80.0, output_tokens=16)
    assert value(record, "time_per_token_ms") == 10.0
    assert value(record, "first_tokens") == 8.0
    assert table([record])["gaps_ms"].iloc[0].tolist() == [10.0] * 8


def test_an_end_of_text_that_is_counted_but_not_shown_changes_nothing() -> None:
    record = request(tokens=64, gap_ms=20.0, output_tokens=65)
    assert value(record, "first_tokens") == 1.0
    assert value(record, "time_per_token_ms") == pytest.approx(20.0, rel=0.02)


@pytest.mark.parametrize(("tokens", "first"), [(1, None), (16, None), (1, 1), (3, 3)])
def test_time_per_token_of_one_event_is_undefined(tokens: int, first: int | None) -> None:
    record = request(tokens=1, output_tokens=tokens, first_event_tokens=first)
    assert math.isnan(value(record, "time_per_token_ms"))


def test_throughput_counts_input_and_output_tokens() -> None:
    assert value(request(tokens=5), "throughput_tokens_per_s") == pytest.approx(133 / 0.130)


def test_input_tokens_fall_back_on_the_tokenizers_count() -> None:
    record = request(input_tokens=None, prompt_tokens=100)
    assert value(record, "throughput_tokens_per_s") == pytest.approx(105 / 0.130)


def test_unknown_output_tokens_leave_throughput_unknown() -> None:
    record = request(output_tokens=None)
    assert math.isnan(value(record, "throughput_tokens_per_s"))
    assert math.isnan(value(record, "time_per_token_ms"))


@pytest.mark.parametrize("column", ["latency_ms", "ttft_ms", "time_per_token_ms"])
def test_a_failed_request_has_no_times(column: str) -> None:
    assert math.isnan(value(request(error_kind="cut"), column))


def test_scheduled_times_count_the_clients_delay() -> None:
    record = request(scheduled_ns=START_NS - 10 * MS)
    assert value(record, "schedule_delay_ms") == 10.0
    assert value(record, "scheduled_ttft_ms") == 60.0
    assert value(record, "scheduled_latency_ms") == 140.0


def test_a_request_that_was_never_sent_has_no_delay() -> None:
    assert math.isnan(value(failure(kind="dropped", sent_ns=None), "schedule_delay_ms"))


def test_answer_ttft_counts_from_the_first_token_after_reasoning() -> None:
    assert value(request(first_answer_ns=START_NS + 90 * MS), "answer_ttft_ms") == 90.0


def test_ttft_uncertainty_is_the_distance_of_its_bounds() -> None:
    record = request(first_token_earliest_ns=START_NS + 47 * MS)
    assert value(record, "ttft_uncertainty_ms") == 3.0


def test_server_ttft_is_queue_and_prompt() -> None:
    assert value(request(server_queue_ms=3.0, server_prompt_ms=40.0), "server_ttft_ms") == 43.0
    assert value(request(server_prompt_ms=40.0), "server_ttft_ms") == 40.0
    assert math.isnan(value(request(server_queue_ms=3.0), "server_ttft_ms"))


def test_server_time_per_token_is_decode_time_over_gaps() -> None:
    assert value(request(tokens=5, server_decode_ms=76.0), "server_time_per_token_ms") == 19.0
