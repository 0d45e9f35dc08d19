"""How fast are prefill and decoding at each length of the context? (one user)

Prompts of 128, 256, … tokens up to the model's context, as llama-bench measures them; own lengths
by --llm-input-tokens.
"""

import pytest

from llmbench import Bench, Cell

pytestmark = pytest.mark.llm("depth", when_named=True)


def test_depth(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why
