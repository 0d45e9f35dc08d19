"""How long do servers take from launch to the first token, and how much memory do they need?"""

import pytest

from llmbench import Bench, Cell

pytestmark = pytest.mark.llm("cold", when_named=True)


def test_cold_start(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why
