"""With how many users at once does the server still meet its SLO? (closed loop, by search)"""

import pytest

from llmbench import Bench, Cell


@pytest.mark.llm("most_users", when_named=True)
def test_most_users(llm_bench: Bench, cell: Cell) -> None:
    assert llm_bench.most_users(cell) is not None, "no number of users tried met the SLO"
