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


def test_a_percentile_of_too_few_samples_is_marked() -> None:
    row = {"ttft_ms_p95": 12.0, "ttft_ms_n": 89}
    assert words.quantile(row, "ttft_ms", "p95") == "~12.0"
    assert words.quantile(row | {"ttft_ms_n": 90}, "ttft_ms", "p95") == "12.0"


def test_unknown_is_not_marked() -> None:
    assert words.quantile({"ttft_ms_p95": float("nan"), "ttft_ms_n": 0}, "ttft_ms", "p95") == "–"


def test_one_has_no_s() -> None:
    assert (words.plural(1, "cell"), words.plural(1200, "cell")) == ("1 cell", "1,200 cells")


def test_money_and_shares() -> None:
    assert (words.money(4.14), words.money(None), words.percent(0.025)) == ("$4.14", "–", "2.50 %")
