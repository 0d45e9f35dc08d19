"""The speed at depth: rates from the slope of TTFT and from gaps, with intervals."""

from typing import Any

import pytest
from scipy.stats import ttest_ind

from llmbench.cells import Cell, Users
from llmbench.metrics import depth_speeds
from llmbench.metrics.percentiles import distribution
from llmbench.results import CellSummary

OVERHEAD_MS = 7.0
NOISE_MS = (-1.0, 0.5, 0.5, 1.0, -1.0)


def cell(tokens: int, ttft_ms: list[float], gap_ms: float = 10.0, **more: Any) -> CellSummary:
    """A cell of prompts of `tokens`, of which each request had one of these TTFTs."""
    asked = Cell("m", tokens, 64, Users(1, len(ttft_ms), depth=True))
    known: dict[str, Any] = dict.fromkeys(CellSummary.__struct_fields__) | {
        "cell": asked,
        "cell_id": asked.id,
        "input_tokens": distribution([tokens + 1.0] * len(ttft_ms)),  # with one that begins it
        "ttft_ms": distribution(ttft_ms),
        "time_per_token_ms": distribution([gap_ms] * len(ttft_ms)),
    }
    return CellSummary(**(known | more))


def noisy(middle_ms: float) -> list[float]:
    return [OVERHEAD_MS + middle_ms + noise for noise in NOISE_MS]


def test_what_both_lengths_have_falls_out_of_the_slope() -> None:
    first, between, *_ = depth_speeds([cell(256, noisy(300)), cell(128, noisy(100))])
    assert (first.test, first.at_least, first.n) == ("pp128", True, 5)
    assert first.tokens_per_s == pytest.approx(129 / 0.107)
    assert (between.test, between.at_least) == ("pp128 @ d128", False)
    assert between.tokens_per_s == pytest.approx(128 / 0.2)


def test_the_interval_of_a_slope_is_welch_s() -> None:
    shallow, deep = noisy(100), [*noisy(300), 310.0]
    _, between, *_ = depth_speeds([cell(128, shallow), cell(256, deep)])
    more_ms = ttest_ind(deep, shallow, equal_var=False).confidence_interval(0.95)
    assert between.resolved
    assert between.low == pytest.approx(128e3 / more_ms.high)
    assert between.high == pytest.approx(128e3 / more_ms.low)


def test_a_slope_that_noise_hides_has_no_upper_end() -> None:
    _, hidden, *_ = depth_speeds([cell(128, noisy(100)), cell(256, noisy(100.2))])
    assert hidden.low is not None and hidden.tokens_per_s is not None
    assert hidden.high is None and not hidden.resolved
    _, falling, *_ = depth_speeds([cell(128, noisy(100)), cell(256, noisy(99))])
    assert falling.tokens_per_s is None


def test_one_request_has_a_rate_without_an_interval() -> None:
    _, between, decoding, _ = depth_speeds([cell(128, [107.0]), cell(256, [207.0])])
    assert (between.tokens_per_s, between.low, between.high) == (1280, None, None)
    assert (decoding.test, decoding.tokens_per_s, decoding.low) == ("tg64 @ d128", 100, None)


def test_repeats_are_pooled() -> None:
    apart = depth_speeds([cell(128, noisy(100)), cell(128, noisy(120)), cell(256, noisy(300))])
    whole = depth_speeds([cell(128, [*noisy(100), *noisy(120)]), cell(256, noisy(300))])
    for one, other in zip(apart, whole, strict=True):
        assert one.tokens_per_s == pytest.approx(other.tokens_per_s)
        assert one.low == (None if other.low is None else pytest.approx(other.low))


def test_the_server_s_own_times_stand_beside() -> None:
    told = [
        cell(
            tokens,
            noisy(ms),
            server_ttft_ms=distribution([ms] * 5),
            server_time_per_token_ms=distribution([9.8] * 5),
        )
        for tokens, ms in ((128, 100.0), (256, 300.0))
    ]
    first, between, decoding, _ = depth_speeds(told)
    assert first.server_tokens_per_s == pytest.approx(1290)
    assert between.server_tokens_per_s == pytest.approx(640)
    assert decoding.server_tokens_per_s == pytest.approx(1000 / 9.8)
