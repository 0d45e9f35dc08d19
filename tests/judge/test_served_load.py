"""The truth about a load, from what the server saw of each request."""

import pytest

from llmbench.judge.served_load import served_load
from llmbench.simulator import ServedRequest

MS = 1_000_000


def served(came_ms: int, *, outcome: str = "ok", tokens: int = 11) -> ServedRequest:
    """A request whose first token took 50 ms and each further one 20 ms."""
    first = (came_ms + 50) * MS
    return ServedRequest(outcome, tokens, came_ms * MS, first, first + 20 * (tokens - 1) * MS)


def test_times_are_from_the_receipt_to_the_writes() -> None:
    truth = served_load([served(0), served(250)], None, "whole")
    assert truth is not None
    figures = truth.figures
    assert (figures.requests, figures.failed) == (2, 0)
    assert (figures.ttft_p50_ms, figures.ttft_p99_ms) == (50.0, 50.0)
    assert (figures.token_p50_ms, figures.token_p99_ms) == (20.0, 20.0)
    assert (figures.requests_per_s, figures.tokens_per_s) == (4.0, 44.0)  # in half a second
    assert (truth.users_mean, truth.users_most, truth.tokens) == (1.0, 1, 22)


def test_users_are_the_requests_in_flight_at_once() -> None:
    truth = served_load([served(0), served(125), served(250)], None, "whole")
    assert truth is not None
    assert truth.users_most == 2
    assert truth.users_mean == 1.5


def test_what_came_before_the_load_was_a_probe() -> None:
    truth = served_load([served(1000), served(1250), served(0, tokens=1)], 2, "whole")
    assert truth is not None
    assert (truth.figures.requests, truth.tokens) == (2, 22)
    assert (truth.first_ns, truth.begin_ns, truth.end_ns) == (0, 1000 * MS, 1500 * MS)


def test_a_failed_request_has_no_time_and_is_counted() -> None:
    failed = ServedRequest("http 500", 0, 300 * MS)
    truth = served_load([served(0), failed, served(250, outcome="error", tokens=5)], 3, "whole")
    assert truth is not None
    assert (truth.figures.requests, truth.figures.failed) == (3, 2)
    assert truth.figures.ttft_p99_ms == 50.0


@pytest.mark.parametrize(("asked", "failed"), [(1, 0), (2, 1)])
def test_who_hung_up_counts_only_if_the_client_counts_it(asked: int, failed: int) -> None:
    truth = served_load([served(0), served(100, outcome="gone")], asked, "whole")
    assert truth is not None
    assert (truth.figures.requests, truth.figures.failed) == (asked, failed)


def test_steady_rates_leave_ramp_and_drain_out() -> None:
    """Two users from 125 to 500 ms; the drain then has one."""
    load = [served(0), served(125), served(250), served(375), served(500)]
    whole, steady = (served_load(load, None, rates) for rates in ("whole", "steady"))
    assert whole is not None and steady is not None
    assert whole.figures.requests_per_s == pytest.approx(5 / 0.75)
    assert steady.figures.requests_per_s == pytest.approx(8.0)  # 2 users / 0.25 s


def test_nothing_served_has_no_truth() -> None:
    assert served_load([], None, "whole") is None
