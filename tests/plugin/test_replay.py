"""Recorded samples through pytest-benchmark's eyes."""

import pandas as pd
import pytest

from llmbench.plugin.replay import MAX_ROUNDS, ReplayClock, samples_s, thinned


def requests() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "phase": ["warmup", "measured", "measured", "measured"],
            "error_kind": [None, None, "cut", None],
            "ttft_ms": [1.0, 50.0, 60.0, 70.0],
            "time_per_token_ms": [1.0, 20.0, 30.0, float("nan")],
            "latency_ms": [1.0, 500.0, 600.0, 70.0],
        }
    )


def test_each_round_lasts_as_long_as_its_sample() -> None:
    clock = ReplayClock()
    clock.load([0.25, 0.5])
    readings = [clock() for _ in range(4)]
    assert [readings[1] - readings[0], readings[3] - readings[2]] == [0.25, 0.5]


def test_only_measured_successes_are_replayed_in_seconds() -> None:
    assert samples_s("ttft", requests(), []) == [0.05, 0.07]


def test_a_time_per_token_that_is_not_known_is_left_out() -> None:
    assert samples_s("time_per_token", requests(), []) == [0.02]


def test_throughput_is_one_round_for_each_repeat() -> None:
    assert samples_s("seconds_per_output_token", requests(), [100.0, 0.0, 50.0]) == [0.01, 0.02]


def test_many_samples_are_thinned_and_keep_their_extremes() -> None:
    kept = thinned([float(n) for n in range(10_000)], MAX_ROUNDS)
    assert len(kept) == MAX_ROUNDS
    assert (kept[0], kept[-1]) == (0.0, 9_999.0)
    assert kept[MAX_ROUNDS // 2] == pytest.approx(5_000, abs=10)
