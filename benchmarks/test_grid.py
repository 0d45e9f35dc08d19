"""How fast is the server for each input length × output length × users? (closed loop)"""

import pytest

from llmbench import Bench, Cell, Replay

pytestmark = pytest.mark.llm("grid")


def test_grid(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why
    assert result.meets_slo, result.why


def test_metric(llm_replay: Replay, cell: Cell, metric: str) -> None:
    llm_replay(cell, metric)
