"""Did the server get slower than the baseline says? (with --llm-baseline, after all the cells)"""

import pytest

from llmbench import Cell, Gate

pytestmark = pytest.mark.llm("gate")


def test_gate(llm_gate: Gate, cell: Cell) -> None:
    llm_gate(cell)
