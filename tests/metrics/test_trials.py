"""When a trial need not go on."""

from llmbench.cells import Arrivals, Users
from llmbench.config import Slo
from llmbench.metrics.capacity.search import is_overloaded, lost_limit
from llmbench.metrics.tables import table
from tests.metrics.making import MS, START_NS, back_to_back, request, single_file

SLO = Slo(ttft_ms={"p50": 100.0})


def at(ms: float) -> int:
    return START_NS + round(ms * MS)


def test_a_limit_is_lost_when_more_are_above_it_than_all_requests_may_have() -> None:
    shape = Users(2, 5)
    slow = back_to_back(3, user=0, ttft_ms=200.0) + back_to_back(3, user=1, ttft_ms=200.0)
    assert lost_limit(table(slow), at(900), shape, SLO) is None
    more = back_to_back(4, user=0, ttft_ms=200.0) + back_to_back(4, user=1, ttft_ms=200.0)
    assert lost_limit(table(more), at(1200), shape, SLO) == (
        "8 requests are above the TTFT limit of 100 ms already, and its p50 allows 6"
    )


def test_a_limit_that_is_met_is_not_lost() -> None:
    assert lost_limit(table(back_to_back(5)), at(700), Users(1, 5), SLO) is None


def test_of_an_open_loop_those_count_that_found_a_full_server() -> None:
    shape = Arrivals(10.0, "constant", duration_s=3.0)
    records = [request(100.0 * n, ttft_ms=200.0) for n in range(30)]
    assert lost_limit(table(records[:10]), at(1300), shape, SLO) is None
    assert lost_limit(table(records), at(3300), shape, SLO) is not None


def test_requests_in_flight_tell_of_an_overloaded_server() -> None:
    records = single_file(3.0, 30.0)
    now_ns = at(20_000)
    ended = [record for record in records if record.done_ns < now_ns]
    waiting = [r.scheduled_ns for r in records if r.scheduled_ns < now_ns <= r.done_ns]
    shape = Arrivals(3.0, "constant", duration_s=30.0)
    assert is_overloaded(table(ended), waiting, now_ns, shape)
    calm = single_file(1.8, 20.0)
    assert not is_overloaded(table(calm), [], now_ns, Arrivals(1.8, "constant", duration_s=30.0))
