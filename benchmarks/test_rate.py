"""How does the server do when requests arrive at a rate, and what is the highest that meets the
SLO? (open loop; with --llm-trace the arrivals of a file)"""

import pytest

from llmbench import Bench, Cell


@pytest.mark.llm("rate", when_named=True)
def test_rate(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why


@pytest.mark.llm("search", when_named=True)
def test_highest_rate(llm_bench: Bench, cell: Cell) -> None:
    assert llm_bench.highest_rate(cell) is not None, "no rate tried was valid and met the SLO"
