from typing import Any

import pytest

from llmbench.cells import Arrivals
from llmbench.config import ConfigError, Slo
from llmbench.metrics.slos import PRESETS, resolve
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.results import CellResult
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


def test_a_percentile_of_few_samples_is_noted() -> None:
    result = verdict(Slo(ttft_ms={"p99": 60.0}))
    assert result.meets_slo
    assert result.notes == (
        "TTFT p99 rests on 5 samples, 459 would certify it: its limit of 60 ms is checked on what "
        "there is",
    )


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
        "TTFT p50 70 ms, limit 60 ms (n = 9): over by 16.7%"
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
        resolve(Slo(preset="mlperf-lama2-70b"))
