"""Recorded samples through pytest-benchmark's eyes."""

import numpy as np
import pytest

from llmbench.metrics import RequestsDigest
from llmbench.metrics.digests.thinning import thinned
from llmbench.metrics.digests.timeline import Timeline
from llmbench.plugin.replay import MAX_ROUNDS, ReplayClock, samples_s


def repeat(*ttft_ms: float, kept: int = 1000) -> RequestsDigest:
    """A repeat whose requests had these TTFTs, at most `kept` of them kept."""
    values = thinned(np.array(ttft_ms), kept)
    return RequestsDigest(len(ttft_ms), {"ttft_ms": values}, {}, (), Timeline())


def test_each_round_lasts_as_long_as_its_sample() -> None:
    clock = ReplayClock()
    clock.load([0.25, 0.5])
    readings = [clock() for _ in range(4)]
    assert [readings[1] - readings[0], readings[3] - readings[2]] == [0.25, 0.5]


def test_the_repeats_are_replayed_one_after_the_other_in_seconds() -> None:
    assert samples_s("ttft", [repeat(70.0, 50.0), repeat(60.0)], []) == [0.07, 0.05, 0.06]


def test_throughput_is_one_round_for_each_repeat() -> None:
    assert samples_s("seconds_per_output_token", [], [100.0, 0.0, 50.0]) == [0.01, 0.02]


def test_many_samples_are_thinned_and_keep_their_extremes() -> None:
    millis = [float(n) for n in range(10_000)]
    found = samples_s("ttft", [repeat(*millis[:5000], kept=9_991), repeat(*millis[5000:])], [])
    assert len(found) == MAX_ROUNDS
    assert (found[0], found[-1]) == (0.0, 9.999)
    assert found[MAX_ROUNDS // 2] == pytest.approx(5, abs=0.01)
