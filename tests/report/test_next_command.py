"""The command to try next, by how requests/s rose with the users."""

from msgspec.structs import replace

from llmbench.cells import Users
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.report.terminal.next_command import next_command
from llmbench.results import CellResult, Problem
from tests.metrics.making import back_to_back, cell_run
from tests.report.synthetic import info

COMMAND = ("benchmarks", "--llm-url", "http://h:8000", "--llm-users=1,4", "-k", "grid")
INFO = info([], command=COMMAND)


def result(users: int, rate_per_s: float, *problems: Problem) -> CellResult:
    summary = summarise(cell_run(), table(back_to_back(3)))
    cell = replace(summary.cell, shape=Users(users))
    return CellResult(replace(summary, cell=cell, requests_per_s=rate_per_s), problems)


def test_more_users_where_the_rate_still_rose() -> None:
    assert next_command(INFO, [result(1, 1.0), result(4, 3.0), result(16, 8.0)]) == (
        "next (requests/s still rose at 16 users): pytest benchmarks --llm-url http://h:8000 "
        "--llm-users 32,64"
    )


def test_more_requests_where_the_peak_was_seen() -> None:
    assert next_command(INFO, [result(1, 1.0), result(4, 3.0), result(16, 2.9)]) == (
        "next (90 requests at the 4 users with the most requests/s, for a p95 to quote): pytest "
        "benchmarks --llm-url http://h:8000 --llm-users 4 --llm-requests 23"
    )


def test_nothing_where_a_cell_is_not_trusted_or_alone() -> None:
    assert next_command(INFO, [result(1, 1.0), result(4, 3.0, Problem("client_lag", "x"))]) is None
    assert next_command(INFO, [result(1, 1.0)]) is None
