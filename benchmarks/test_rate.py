"""How does the server do when requests arrive at a rate, and which is the highest within the SLO?

The load is an open loop; with --llm-trace its arrivals come from a file.
"""

import pytest

from llmbench import Bench, Cell


@pytest.mark.llm("rate", when_named=True)
def test_rate(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why


@pytest.mark.llm("search", when_named=True)
def test_highest_rate(llm_bench: Bench, cell: Cell) -> None:
    assert llm_bench.highest_rate(cell) is not None, "no rate tried met the SLO"
