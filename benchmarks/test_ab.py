"""Is one configuration slower than another? (--llm-ab A,B interleaves A B B A on this host)"""

import pytest

from llmbench import Cell, Gate

pytestmark = pytest.mark.llm("ab", when_named=True)


def test_ab(llm_versus: Gate, cell: Cell) -> None:
    llm_versus(cell)
