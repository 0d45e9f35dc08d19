"""Numbers as people read them."""

import pytest

from llmbench.report import numbers as words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (1234.5, "1,230"),
        (12.345, "12.3"),
        (0.0123456, "0.0123"),
        (999.6, "1,000"),
        (-4.567, "-4.57"),
    ],
)
def test_a_number_has_three_digits(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12.3, "12.3 ms"), (9_999, "10,000 ms"), (33_000, "33.0 s")]
)
def test_milliseconds_become_seconds_from_ten_of_them(value: float, text: str) -> None:
    assert words.milliseconds(value) == text


def test_bytes_are_gib_or_mib() -> None:
    assert (words.size(512 * 2**20), words.size(3 * 2**30)) == ("512 MiB", "3.00 GiB")


NAN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (99.4, 109.4, "100"),  # 10 %: as wide as the gate's tolerance of TTFT's p95
        (99.4, 109.5, "~100"),
        (99.4, NAN, "~100"),  # no upper end
    ],
)
def test_a_percentile_with_a_wide_interval_is_marked(low: float, high: float, text: str) -> None:
    row = {"ttft_ms_p95": 100.0, "ttft_ms_p95_low": low, "ttft_ms_p95_high": high}
    assert words.quantile(row, "ttft_ms", "p95") == text


def test_a_percentile_without_a_tolerance_may_be_a_tenth_wide() -> None:
    row = {"latency_ms_p90": 100.0, "latency_ms_p90_low": 95.0, "latency_ms_p90_high": 104.9}
    assert words.quantile(row, "latency_ms", "p90") == "100"
    assert words.quantile(row | {"latency_ms_p90_high": 105.1}, "latency_ms", "p90") == "~100"


def test_an_interval_in_words() -> None:
    row = {"ttft_ms_p95_low": 94.4, "ttft_ms_p95_high": NAN}
    assert words.interval(row, "ttft_ms", "p95") == "94.4 to –"


def test_unknown_is_not_marked() -> None:
    row = dict.fromkeys(("ttft_ms_p95", "ttft_ms_p95_low", "ttft_ms_p95_high"), NAN)
    assert words.quantile(row, "ttft_ms", "p95") == "–"


def test_one_has_no_s() -> None:
    assert (words.plural(1, "cell"), words.plural(1200, "cell")) == ("1 cell", "1,200 cells")


def test_money_and_shares() -> None:
    assert (words.money(4.14), words.money(None), words.percent(0.025)) == ("$4.14", "–", "2.50 %")
