from typing import Any, get_args

import pytest

from llmbench.cells import Arrivals
from llmbench.config import ConfigError, Slo
from llmbench.metrics.slos import PRESETS, resolve
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.results import CellResult
from llmbench.value_types import Preset
from llmbench.verdict.validity import judge
from tests.metrics.making import MS, START_NS, back_to_back, cell_run, failure, request


def verdict(slo: Slo, **fields: Any) -> CellResult:
    return judge(summarise(cell_run(), table(back_to_back(5, **fields)), (), slo), cell_run(), slo)


def test_limits_that_are_met() -> None:
    result = verdict(Slo(ttft_ms={"p50": 50.0}, time_per_token_ms={"p50": 20.0}))
    assert result.meets_slo


def test_a_limit_that_is_missed_names_figure_limit_and_samples() -> None:
    result = verdict(Slo(ttft_ms={"p50": 40.0}, latency_ms={"p95": 200.0}))
    assert result.valid
    assert [miss.message for miss in result.slo_misses] == [
        "TTFT p50 50 ms, limit 40 ms (n = 5): over by 25.0%"
    ]


def test_an_unknown_quantity_is_a_miss() -> None:
    result = verdict(Slo(ttft_ms={"p99": 40.0}), first_token_ns=None, last_token_ns=None)
    assert result.why == "TTFT p99 is not known, limit 40 ms: no request gave one"


def test_few_requests_cannot_tell_and_stay_green() -> None:
    result = verdict(Slo(ttft_ms={"p99": 60.0}))
    assert (result.meets_slo, result.slo) == (True, "undecided")
    assert result.why == ""
    assert result.notes == (
        "p99 TTFT: not enough requests to tell (5 of 459) whether its limit of 60 ms is met",
    )


def measured(slo: Slo, good: int, failed: int, slow: int = 0, dropped: int = 0) -> CellResult:
    """One user's requests: `good` of 50 ms TTFT, some `slow` (300 ms), some `failed`."""
    records = [
        *back_to_back(good - slow),
        *back_to_back(slow, start_ms=130.0 * (good - slow), ttft_ms=300.0),
        *(failure(130.0 * good + 250.0 * slow + 1.0 * n) for n in range(failed)),
    ]
    run = cell_run(dropped=dropped)
    return judge(summarise(run, table(records), (), slo), run, slo)


def test_enough_requests_meet_a_percentile() -> None:
    slo = Slo(ttft_ms={"p95": 60.0})
    assert measured(slo, 90, 0).slo == "met"
    assert measured(slo, 89, 0).slo == "undecided"


def test_each_request_above_the_limit_takes_more_to_prove_it() -> None:
    """MLPerf's early stopping: 130 requests with one above, 166 with two."""
    slo = Slo(ttft_ms={"p95": 60.0})
    assert measured(slo, 130, 0, slow=1).slo == "met"
    (note,) = measured(slo, 130, 0, slow=2).notes
    assert note == (
        "p95 TTFT: not enough requests to tell (130 of 165) whether its limit of 60 ms is met"
    )


def test_failures_count_as_infinitely_slow() -> None:
    """4.6 % failed and the p99 of the survivors is 50 ms: there is no p99 of 200 ms."""
    result = measured(Slo(ttft_ms={"p50": 200.0, "p99": 200.0}), 954, 46)
    assert (result.valid, result.slo) == (True, "missed")
    assert result.why == (
        "p99 TTFT: 4.6 % of requests failed or were dropped and count as infinitely slow, "
        "limit 200 ms (n = 1000)"
    )


def test_dropped_requests_count_as_infinitely_slow() -> None:
    result = measured(Slo(ttft_ms={"p90": 60.0, "p99": 60.0}), 460, 0, dropped=10)
    assert [problem.rule for problem in result.slo_misses] == ["slo_p99"]
    assert measured(Slo(ttft_ms={"p90": 60.0}), 460, 0, dropped=10).slo == "met"


def test_a_connection_that_was_never_made_counts_in_its_window() -> None:
    """Refused before it was sent: it belongs to the window by its schedule."""
    refused = [failure(50.0 * n, kind="refused", sent_ns=None) for n in range(20)]
    slo = Slo(ttft_ms={"p90": 60.0})
    summary = summarise(cell_run(), table([*back_to_back(100), *refused]), (), slo)
    (count,) = summary.limit_counts
    assert (count.samples, count.over, count.lost, count.value_ms) == (120, 20, 20, None)


def test_error_rate_and_goodput() -> None:
    slo = Slo(ttft_ms={"p50": 60.0}, error_rate=0.01, goodput=0.99)
    records = [*back_to_back(24), failure(5000.0)]
    result = judge(summarise(cell_run(), table(records), (), slo), cell_run(), slo)
    assert [miss.message for miss in result.slo_misses] == [
        "error rate 4.00%, limit 1.00% (25 requests)",
        "goodput 96.00%, limit 99.00% (25 requests)",
    ]


def test_goodput_without_limits_on_a_request_is_a_miss() -> None:
    assert verdict(Slo(goodput=0.9)).why == (
        "goodput is not known, limit 90.00%: the SLO sets no limit on a request"
    )


def test_open_loop_counts_from_the_schedule() -> None:
    slo, run = Slo(ttft_ms={"p50": 60.0}), cell_run(Arrivals(5.0))
    records = [request(200.0 * n, scheduled_ns=START_NS + 200 * MS * n - 20 * MS) for n in range(9)]
    result = judge(summarise(run, table(records), (), slo), run, slo)
    assert [m.message for m in result.slo_misses] == [
        "TTFT p50 70 ms, limit 60 ms (n = 8): over by 16.7%"
    ]


def test_mlperfs_limits_by_name() -> None:
    assert PRESETS["mlperf-llama2-70b"].ttft_ms == {"p99": 2000}
    assert PRESETS["mlperf-llama2-70b"].time_per_token_ms == {"p99": 200}
    assert PRESETS["mlperf-llama2-70b-interactive"].ttft_ms == {"p99": 450}
    assert PRESETS["mlperf-llama2-70b-interactive"].time_per_token_ms == {"p99": 40}


def test_own_limits_override_a_presets() -> None:
    slo = resolve(Slo(preset="mlperf-llama2-70b", ttft_ms={"p95": 500.0}, error_rate=0.1))
    assert (slo.ttft_ms, slo.time_per_token_ms) == ({"p95": 500.0}, {"p99": 200})
    assert slo.error_rate == 0.1


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"slo.preset: .*'mlperf-lama2-70b'; did you mean "):
        resolve(Slo(preset="mlperf-lama2-70b"))  # type: ignore[arg-type]


def test_a_configuration_may_name_every_preset_and_no_other() -> None:
    assert set(get_args(Preset)) == set(PRESETS)
