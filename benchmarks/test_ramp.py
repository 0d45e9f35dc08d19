"""At how many users do requests/s stop rising? Best latency, knee and peak. (the blog's method)"""

import pytest

from llmbench import Bench, Cell

pytestmark = pytest.mark.llm("ramp", when_named=True)


def test_ramp(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why
