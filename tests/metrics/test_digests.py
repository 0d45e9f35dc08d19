"""What is kept of a repeat's requests, and how the repeats of a cell are put together again."""

import numpy as np
import pandas as pd
import pytest

from llmbench.cells import Ramp
from llmbench.metrics import pooled, requests_digest, summarise, table
from llmbench.metrics.digests.requests_digest import WINDOW_KEPT, FailureKind, RequestsDigest
from llmbench.metrics.digests.thinning import even_ranks, thinned
from llmbench.metrics.digests.timeline import Timeline, timeline_of
from llmbench.records import CellRun, RequestRecord
from tests.metrics.making import back_to_back, cell_run, failure, request


def digest_of(records: list[RequestRecord], run: CellRun | None = None) -> RequestsDigest:
    run = run or cell_run()
    requests = table(records)
    return requests_digest(run, summarise(run, requests), requests)


def test_few_values_are_kept_as_they_came() -> None:
    assert thinned(np.array([3.0, 1.0, 2.0]), 3).kept == (3.0, 1.0, 2.0)


def test_many_values_are_thinned_to_order_statistics_with_both_extremes() -> None:
    found = thinned(np.arange(1000.0)[::-1], 5)
    assert (found.n, found.kept) == (1000, (0.0, 250.0, 499.0, 749.0, 999.0))


@pytest.mark.parametrize("n", [1_002, 4_999, 123_457])
def test_ranks_of_fewer_points_are_among_those_of_more(n: int) -> None:
    assert set(even_ranks(n, 101)) <= set(even_ranks(n, WINDOW_KEPT))


def test_whole_repeats_are_pooled_exactly() -> None:
    parts = [thinned(np.array(some), 9) for some in ([5.0, 1.0], [], [3.0, 4.0, 2.0])]
    ranks, values = pooled(parts, 3)
    assert (ranks.tolist(), values.tolist()) == ([1, 3, 5], [1.0, 3.0, 5.0])


def test_one_thinned_repeat_gives_what_all_its_values_would() -> None:
    values = np.random.default_rng(1).exponential(size=7_777)
    whole, kept = (pooled([thinned(values, most)], 101)[1] for most in (10_000, WINDOW_KEPT))
    assert kept.tolist() == whole.tolist()


def test_thinned_repeats_are_pooled_within_a_step() -> None:
    values = np.random.default_rng(1).uniform(size=(2, 5_000))
    ranks, found = pooled([thinned(some, WINDOW_KEPT) for some in values], 101)
    exact = np.sort(values, axis=None)
    assert (exact[ranks - 1] <= found).all()
    steps = 2 * (5_000 // (WINDOW_KEPT - 1))  # one of each repeat
    assert (found <= exact[np.minimum(ranks - 1 + steps, 9_999)]).all()


def test_warm_up_and_failures_are_not_among_the_values() -> None:
    records = [request(0, phase="warmup", ttft_ms=1), request(500), failure(1000)]
    found = digest_of(records)
    assert found.records == 3
    assert found.measured["ttft_ms"].kept == (50.0,)


def test_only_requests_sent_in_the_steady_window_are_of_it() -> None:
    found = digest_of([*back_to_back(4), *back_to_back(2, user=1)])
    assert found.measured["latency_ms"].n == 6
    assert found.window["latency_ms"].n < 6


def test_failures_are_counted_by_kind_with_the_first_message() -> None:
    records = [
        failure(0, kind="cut"),
        failure(1, kind="cut", error="one"),
        failure(2, kind="cut", error="two"),
        failure(3, kind="reset"),
        failure(4, kind="reset", phase="warmup"),
    ]
    assert digest_of(records).failures == (
        FailureKind("cut", 3, "one"),
        FailureKind("reset", 1, ""),
    )


def test_a_ramp_keeps_its_steps() -> None:
    records = back_to_back(4)
    end = max(record.done_ns for record in records)
    run = cell_run(Ramp((1,), 1.0), step_ends_ns=((1, end),))
    (point,) = digest_of(records, run).ramp
    assert (point.load, point.summary.succeeded) == (1, 4)


def test_a_timeline_counts_a_request_where_it_ended() -> None:
    second = 10**9
    requests = pd.DataFrame(
        {
            "sent_ns": pd.array([0, 0, second], dtype="Int64"),
            "done_ns": pd.array([second, 2 * second, 4 * second - 1], dtype="Int64"),
            "ok": [True, False, True],
            "error_kind": [None, "http_5xx", None],
            "latency_ms": [1000.0, float("nan"), 3000.0],
        }
    )
    assert timeline_of(requests, 4) == Timeline(
        middle_ns=(second // 2, 3 * second // 2, 5 * second // 2, 7 * second // 2),
        requests_per_s=(0.0, 1.0, 0.0, 1.0),
        failures_per_s=(0.0, 0.0, 1.0, 0.0),
        p50_ms=(None, 1000.0, None, 3000.0),
        p95_ms=(None, 1000.0, None, 3000.0),
        in_flight=(2, 2, 1, 1),
    )


def test_nothing_sent_is_an_empty_timeline() -> None:
    assert timeline_of(table([]), 40) == Timeline()
