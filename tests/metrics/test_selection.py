"""Rows of a table of requests."""

import pandas as pd

from llmbench.metrics.selection import select

REQUESTS = pd.DataFrame({"user": [1, 2, 3], "ok": [True, False, True]})


def test_requests_are_those_of_which_it_holds() -> None:
    assert list(select(REQUESTS, REQUESTS["ok"])["user"]) == [1, 3]


def test_a_table_of_which_it_holds_everywhere_is_not_copied() -> None:
    assert select(REQUESTS, REQUESTS["user"] > 0) is REQUESTS
