import pytest

from llmbench.cells import Arrivals, Users
from llmbench.config import Slo
from llmbench.metrics.summary import NO_LIMITS, summarise
from llmbench.metrics.tables import table
from llmbench.records import CellRun, RequestRecord, ResourceSample
from llmbench.results import CellSummary
from tests.metrics.making import MS, START_NS, back_to_back, cell_run, failure, request


def summary(
    records: list[RequestRecord],
    run: CellRun | None = None,
    samples: tuple[ResourceSample, ...] = (),
    slo: Slo = NO_LIMITS,
) -> CellSummary:
    return summarise(run or cell_run(), table(records), samples, slo)


def test_one_users_rates_are_count_over_span() -> None:
    found = summary(back_to_back(5, idle_ms=10.0))
    assert found.window_s == 0.69
    assert found.requests_per_s == 5 / 0.69
    assert found.output_tokens_per_s == 25 / 0.69
    assert found.input_tokens_per_s == 640 / 0.69
    assert found.total_tokens_per_s == pytest.approx(665 / 0.69)


def test_requests_count_by_the_share_of_their_time_in_the_window() -> None:
    records = back_to_back(5) + back_to_back(5, user=1, start_ms=65.0)
    found = summary(records, cell_run(Users(2)))
    assert found.window_s == 0.585
    assert found.requests_per_s == pytest.approx(2 / 0.130)
    assert found.achieved_users == pytest.approx(2.0)


def test_distributions_are_of_successes_in_the_window() -> None:
    records = back_to_back(5) + back_to_back(5, user=1, start_ms=40.0, ttft_ms=60.0)
    found = summary(records, cell_run(Users(2)))
    assert found.in_window == 9
    assert found.ttft_ms is not None
    assert (found.ttft_ms.n, found.ttft_ms.min, found.ttft_ms.max) == (9, 50.0, 60.0)


def test_counts_cover_all_measured_requests() -> None:
    records = [
        request(phase="warmup"),
        *back_to_back(3, start_ms=200.0),
        failure(600.0),
        failure(700.0, kind="dropped", sent_ns=None),
    ]
    found = summary(records)
    assert (found.requests, found.succeeded, found.failed, found.dropped) == (5, 3, 1, 1)
    assert (found.warmup, found.error_rate) == (1, 0.4)
    assert found.errors == {"dropped": 1, "http_5xx": 1}


def test_dropped_arrivals_without_a_record_count_too() -> None:
    found = summary(back_to_back(4), cell_run(Arrivals(1.0), dropped=4))
    assert (found.requests, found.dropped, found.error_rate) == (8, 4, 0.5)


def test_other_cells_and_repeats_do_not_count() -> None:
    records = [*back_to_back(2), request(cell="other"), request(repeat=2)]
    assert summary(records).requests == 2


def test_inter_token_gaps_are_pooled() -> None:
    found = summary([request(gap_ms=10.0, tokens=2), request(200.0, gap_ms=30.0, tokens=3)])
    assert found.inter_token_ms is not None
    assert (found.inter_token_ms.n, found.inter_token_ms.max) == (3, 30.0)
    assert found.inter_token_ms.mean == pytest.approx(70 / 3)


def test_bursts_show_in_the_gaps_between_chunks() -> None:
    told = [request(200.0 * n, tokens=2, gap_ms=80.0, output_tokens=16) for n in range(4)]
    found = summary([*told[1:], request(tokens=5)])
    assert found.chunk_gap_ms is not None and found.inter_token_ms is not None
    assert (found.chunk_gap_ms.max, found.inter_token_ms.max) == (80.0, 20.0)
    assert found.estimated_tokens_share == 0.75
    assert summary(back_to_back(3)).estimated_tokens_share == 0.0


def test_goodput_has_failures_in_its_denominator() -> None:
    records = [*back_to_back(2), request(400.0, ttft_ms=90.0), failure(600.0)]
    assert summary(records, slo=Slo(ttft_ms={"p50": 10.0, "p99": 60.0})).goodput == 0.5


def test_goodput_takes_a_presets_limits() -> None:
    records = [*back_to_back(3), request(400.0, ttft_ms=451.0)]
    assert summary(records, slo=Slo(preset="mlperf-llama2-70b-interactive")).goodput == 0.75


def test_goodput_in_open_loop_counts_from_the_schedule() -> None:
    records = [request(0.0), request(200.0, scheduled_ns=START_NS + 150 * MS)]
    found = summary(records, cell_run(Arrivals(5.0)), slo=Slo(ttft_ms={"p99": 60.0}))
    assert found.goodput == 0.5
    assert found.scheduled_ttft_ms is not None
    assert found.scheduled_ttft_ms.max == 100.0


def test_one_token_answers_meet_a_limit_on_time_per_token() -> None:
    found = summary([request(tokens=1)], slo=Slo(time_per_token_ms={"p99": 1.0}))
    assert found.goodput == 1.0


def test_goodput_without_a_limit_is_not_known() -> None:
    assert summary(back_to_back(2), slo=Slo(goodput=0.9)).goodput is None


def test_length_hit_rates() -> None:
    records = [
        request(tokens=10, requested_output_tokens=10),
        request(200.0, tokens=9, requested_output_tokens=10),
        request(500.0, tokens=8, requested_output_tokens=10, input_tokens=139),
    ]
    found = summary(records)
    assert found.output_length_hit_rate == pytest.approx(2 / 3)
    assert found.input_length_hit_rate == pytest.approx(2 / 3)


def test_a_constant_surplus_of_prompt_tokens_is_specials_not_a_mismatch() -> None:
    records = [request(200.0 * n, input_tokens=129) for n in range(3)]
    assert summary(records).token_count_mismatches == 0
    assert summary([*records, request(900.0, input_tokens=133)]).token_count_mismatches == 1


def test_cached_share_is_of_prompt_tokens() -> None:
    found = summary([request(cached_tokens=64), request(200.0, cached_tokens=0)])
    assert found.cached_share == 0.25
    assert summary([request()]).cached_share is None


def test_delivered_share_falls_with_the_clients_time_between_requests() -> None:
    assert summary(back_to_back(5)).delivered_share == 1.0
    found = summary(back_to_back(5, idle_ms=130.0))
    assert found.delivered_share == pytest.approx(5 / 9)


def test_connecting_between_requests_is_not_lost_load() -> None:
    found = summary(back_to_back(5, idle_ms=130.0, connect_ns=130 * MS))
    assert found.delivered_share == 1.0


def test_users_that_never_sent_lower_the_delivered_share() -> None:
    assert summary(back_to_back(5), cell_run(Users(4))).delivered_share == 0.25


def test_one_request_each_of_different_length_delivers_all() -> None:
    records = [request(tokens=5), request(user=1, tokens=50)]
    found = summary(records, cell_run(Users(2)))
    assert (found.window_rule, found.delivered_share) == ("whole", 1.0)


def test_delivered_rate_counts_dropped_and_late_requests() -> None:
    on_time = [request(100.0 * n) for n in range(10)]
    assert summary(on_time, cell_run(Arrivals(10.0))).delivered_share == 1.0
    late = [request(200.0 * n, scheduled_ns=START_NS + 100 * MS * n) for n in range(10)]
    assert summary(late, cell_run(Arrivals(10.0))).delivered_share == 0.5
    half = [*on_time, *(failure(50.0, kind="dropped", sent_ns=None) for _ in range(10))]
    assert summary(half, cell_run(Arrivals(10.0))).delivered_share == 0.5


def test_littles_law_holds_in_a_steady_window() -> None:
    records = [r for u in range(4) for r in back_to_back(20, user=u, start_ms=10.0 * u)]
    found = summary(records, cell_run(Users(4)))
    assert found.little_residual is not None
    assert found.little_residual < 0.05


def test_littles_law_shows_a_load_that_is_not_steady() -> None:
    held = [request(0.0, tokens=50, user=0), request(1030.0, user=0, request=2)]
    records = [*held, *back_to_back(8, user=1, start_ms=10.0)]
    found = summary(records, cell_run(Users(2)))
    assert found.little_residual == 0.4375


def test_client_and_server_views_are_compared_at_their_medians() -> None:
    records = back_to_back(3, server_prompt_ms=45.0, server_decode_ms=76.0)
    found = summary(records)
    assert found.ttft_difference_ms == 5.0
    assert found.time_per_token_difference_ms == 1.0
    assert summary(back_to_back(3)).ttft_difference_ms is None


def test_bounded_stamps() -> None:
    records = [
        request(first_token_earliest_ns=START_NS + 40 * MS, bounded_events=((0, 40 * MS),)),
        request(200.0),
    ]
    found = summary(records)
    assert found.bounded_share == 0.1
    assert found.ttft_bounded_share == 0.5
    assert found.ttft_uncertainty_ms == pytest.approx(9.9)


def test_one_token_whose_streams_end_came_with_it_is_bounded_by_the_looks_at_the_socket() -> None:
    def bounded(by_ms: int, tokens: int) -> float | None:
        earliest = START_NS + (20 - by_ms) * MS
        records = [request(ttft_ms=20.0, tokens=tokens, first_token_earliest_ns=earliest)]
        return summary(records).ttft_bounded_share

    assert [bounded(2, 1), bounded(4, 1), bounded(2, 5)] == [0.0, 1.0, 1.0]


def test_client_cpu_is_for_each_token_warm_up_included() -> None:
    records = [request(phase="warmup"), *back_to_back(3, start_ms=200.0)]
    assert summary(records, cell_run(client_cpu_ns=400_000)).client_cpu_us_per_token == 20.0


def test_clock_step_is_the_largest_either_way() -> None:
    records = [request(clock_step_ns=-3 * MS), request(200.0, clock_step_ns=MS)]
    assert summary(records).clock_step_ms == 3.0


def test_resources_are_of_the_window() -> None:
    def sample(at_ms: float, cpu: float, throttled_ms: int = 0, **fields: str) -> ResourceSample:
        return ResourceSample(
            START_NS + round(at_ms * MS),
            "m",
            fields.get("cell", "m-in128-out5-users1"),
            1,
            cpu,
            int(cpu) * 10,
            throttled_ns=throttled_ms * MS,
        )

    samples = (
        sample(-500, 900),
        sample(100, 100, 50),
        sample(600, 200, 300),
        sample(300, 800, cell="x"),
    )
    found = summary(back_to_back(5), samples=samples)
    assert (found.cpu_percent_mean, found.cpu_percent_max) == (150.0, 200.0)
    assert (found.memory_bytes_max, found.throttled_share) == (2000, 0.5)


def test_a_cell_of_nothing_knows_nothing() -> None:
    found = summary([])
    assert (found.requests, found.window_s, found.requests_per_s) == (0, 0.0, None)
    assert (found.ttft_ms, found.error_rate, found.achieved_users) == (None, 0.0, None)


def test_a_cell_of_failures_has_counts_and_no_times() -> None:
    found = summary([failure(), failure(10.0)])
    assert (found.failed, found.error_rate, found.requests_per_s) == (2, 1.0, 0.0)
    assert (found.ttft_ms, found.output_tokens_per_s) == (None, None)
