"""At how many users do requests/s stop rising? (best latency, knee and peak of a ramp)

TrueFoundry's blog post finds the capacity of a server in this way.
"""

import pytest

from llmbench import Bench, Cell

pytestmark = pytest.mark.llm("ramp", when_named=True)


def test_ramp(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why
