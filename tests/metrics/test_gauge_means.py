"""What readings of gauges come to: means over the window, growth of counters, several servers."""

from typing import Any

import pytest

from llmbench.cells import Cell, Users
from llmbench.gauges import GaugeSample
from llmbench.metrics.gauge_means import gauge_fields, time_weighted
from llmbench.metrics.windows import Window
from llmbench.records import CellRun, Endpoint, Launch

S = 1_000_000_000
CELL = Cell("m", 8, 8, Users(1, 1))
WINDOW = Window(10 * S, 20 * S, "steady")
RUN = CellRun(
    CELL, CELL.id, 1, 0, 30 * S, Endpoint("", "tgi", "m", False, Launch("remote", 0)), 1, ""
)


def reading(at_s: float, replica: str = "a", **told: Any) -> GaugeSample:
    return GaugeSample(round(at_s * S), "m", replica, CELL.id, 1, **told)


def fields(*readings: GaugeSample, window: Window | None = WINDOW) -> dict[str, Any]:
    return gauge_fields(readings, RUN, window)


def test_each_reading_holds_until_midway_to_the_next() -> None:
    assert time_weighted([1, 3, 9], [10, 20, 40], 10) == pytest.approx(
        (2 * 10 + 4 * 20 + 4 * 40) / 10
    )


def test_means_are_of_the_readings_in_the_window() -> None:
    told = fields(
        reading(9, running=99, waiting=99),
        reading(12, running=1, waiting=0),
        reading(16, running=2, waiting=5),
        reading(21, running=99, waiting=99),
    )
    assert told["server_running_mean"] == pytest.approx(0.4 * 1 + 0.6 * 2)
    assert told["server_waiting_mean"] == pytest.approx(3)
    assert (told["server_readings"], told["server_readings_failed"]) == (4, 0)


def test_what_isnt_told_is_not_known_and_never_0() -> None:
    told = fields(reading(12, running=1), reading(15, running=1))
    known = {name for name, value in told.items() if value is not None}
    assert known == {"server_running_mean", "server_readings", "server_readings_failed"}


def test_no_reading_in_the_window_tells_no_mean() -> None:
    assert fields(reading(9, running=1))["server_running_mean"] is None
    assert fields(reading(9, running=1), window=None)["server_running_mean"] is None
    assert gauge_fields([], RUN, WINDOW) == {}


def test_a_failed_reading_is_counted_and_costs_nothing_else() -> None:
    told = fields(reading(12, kv_usage=0.5), reading(13, error="no"), reading(15, kv_usage=0.7))
    assert (told["server_readings"], told["server_readings_failed"]) == (2, 1)
    assert told["server_kv_usage_mean"] == pytest.approx(0.35 * 0.5 + 0.65 * 0.7)
    assert told["server_kv_usage_max"] == 0.7


def test_counters_grow_from_the_first_reading_to_the_last_and_give_the_accepted_length() -> None:
    told = fields(
        reading(1, drafts=100, draft_tokens=400, accepted_tokens=50, cache_hits=7),
        reading(29, drafts=150, draft_tokens=600, accepted_tokens=140, cache_hits=7),
    )
    assert told["server_drafts"] == 50
    assert told["server_draft_tokens"] == 200
    assert told["server_accepted_tokens"] == 90
    assert told["accepted_length"] == pytest.approx(2.8)
    assert told["draft_acceptance"] == pytest.approx(0.45)
    assert told["server_cache_hits"] == 0


def test_a_counter_that_went_back_is_not_known() -> None:
    told = fields(reading(1, preemptions=9), reading(2, preemptions=1), reading(3, preemptions=12))
    assert told["server_preemptions"] is None


def test_without_drafts_there_is_no_accepted_length() -> None:
    told = fields(reading(1, drafts=0, accepted_tokens=0), reading(2, drafts=0, accepted_tokens=0))
    assert (told["server_drafts"], told["accepted_length"]) == (0, None)


def test_an_accepted_length_that_the_server_tells_is_averaged() -> None:
    told = fields(reading(12.5, accepted_length=2.0), reading(17.5, accepted_length=3.0))
    assert told["accepted_length"] == pytest.approx(2.5)


def test_requests_of_several_servers_are_added_and_shares_averaged() -> None:
    told = fields(
        reading(12, "a", running=1, kv_usage=0.2, preemptions=1),
        reading(12, "b", running=3, kv_usage=0.4, preemptions=5),
        reading(18, "a", running=1, kv_usage=0.2, preemptions=2),
        reading(18, "b", running=3, kv_usage=0.4, preemptions=8),
    )
    assert told["server_running_mean"] == pytest.approx(4)
    assert told["server_kv_usage_mean"] == pytest.approx(0.3)
    assert told["server_preemptions"] == 4


def test_what_one_of_several_servers_doesnt_tell_is_not_known() -> None:
    told = fields(reading(12, "a", running=1, waiting=2), reading(12, "b", running=3))
    assert told["server_running_mean"] == pytest.approx(4)
    assert told["server_waiting_mean"] is None
