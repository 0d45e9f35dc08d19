"""How many instances, cores and GiB does the model need? (tries every size, names the ideal)"""

import pytest

from llmbench import Bench, Cell

pytestmark = pytest.mark.llm("sizing", when_named=True)


def test_sizing(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.fits(cell)
    if not result.valid:
        pytest.xfail(
            result.why.partition("\n")[0]
        )  # a size that is too small is what the sweep is there to find
