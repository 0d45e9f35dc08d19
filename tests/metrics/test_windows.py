import pytest

from llmbench.cells import Arrivals, Ramp, Shape, Users
from llmbench.metrics import windows
from llmbench.metrics.tables import table
from llmbench.metrics.windows import Window
from llmbench.records import RequestRecord
from tests.metrics.making import MS, START_NS, back_to_back, failure, request


def window(records: list[RequestRecord], shape: Shape) -> tuple[float, float, str]:
    """Start and end in ms since START_NS, and the rule."""
    found = windows.find(table(records), shape)
    assert found is not None
    return ((found.start_ns - START_NS) / MS, (found.end_ns - START_NS) / MS, found.rule)


def test_one_users_window_is_all_of_its_requests() -> None:
    assert window(back_to_back(5), Users(1)) == (0.0, 650.0, "steady")


def test_closed_loop_runs_from_the_last_users_start_to_the_first_users_end() -> None:
    records = back_to_back(5) + back_to_back(5, user=1, start_ms=40.0)
    assert window(records, Users(2)) == (40.0, 650.0, "steady")


def test_a_request_belongs_to_the_window_in_which_it_was_sent() -> None:
    records = back_to_back(5) + back_to_back(5, user=1, start_ms=40.0)
    frame = table(records)
    found = windows.find(frame, Users(2))
    assert found is not None
    inside = windows.members(frame, found, Users(2))
    assert inside.tolist() == [False, True, True, True, True, True, True, True, True, True]


def test_open_loop_runs_from_a_server_that_has_filled_up_to_the_last_deadline() -> None:
    records = [request(100.0 * n, scheduled_ns=START_NS + 100 * MS * n - MS) for n in range(4)]
    assert window(records, Arrivals(10.0)) == (130.0, 299.0, "steady")


def test_an_open_loop_fills_up_for_the_longest_of_its_first_latencies() -> None:
    records = [request(100.0 * n, ttft_ms=300.0 if n == 3 else 50.0) for n in range(20)]
    assert window(records, Arrivals(10.0)) == (380.0, 1900.0, "steady")


def test_arrivals_that_end_before_the_server_has_filled_up_have_no_steady_window() -> None:
    records = [request(100.0 * n, ttft_ms=500.0) for n in range(5)]
    assert window(records, Arrivals(10.0)) == (0.0, 980.0, "whole")


def test_of_several_workers_the_first_to_end_ends_the_window() -> None:
    records = [request(100.0 * n, worker=n % 2) for n in range(20)]
    assert window(records, Arrivals(10.0)) == (130.0, 1800.0, "steady")


def test_one_request_each_falls_back_to_the_whole_cell() -> None:
    records = back_to_back(1) + back_to_back(1, user=1, start_ms=40.0)
    assert window(records, Users(2)) == (0.0, 170.0, "whole")


def test_all_failed_falls_back_to_the_whole_cell() -> None:
    records = [failure(0.0, took_ms=5.0), failure(10.0, took_ms=5.0)]
    assert window(records, Users(1)) == (0.0, 15.0, "whole")


def test_one_arrival_falls_back_to_the_whole_cell() -> None:
    assert window([request()], Arrivals(1.0)) == (0.0, 130.0, "whole")


def test_a_ramps_window_is_the_whole_cell() -> None:
    records = back_to_back(3) + back_to_back(3, user=1, start_ms=130.0)
    assert window(records, Ramp((1, 2), 0.2)) == (0.0, 520.0, "whole")


@pytest.mark.parametrize("records", [[], [failure(kind="refused", sent_ns=None)]])
def test_nothing_sent_has_no_window(records: list[RequestRecord]) -> None:
    assert windows.find(table(records), Users(1)) is None


def test_overlap_is_the_share_of_a_span_inside() -> None:
    import numpy as np

    begin = np.array([-10.0, 0.0, 90.0, 50.0, 200.0, np.nan])
    end = np.array([10.0, 100.0, 110.0, 50.0, 210.0, 5.0])
    shares = windows.overlap(begin, end, Window(0, 100, "steady"))
    assert shares.tolist() == [0.5, 1.0, 0.5, 1.0, 0.0, 0.0]
