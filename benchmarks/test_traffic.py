"""How fast is the server for conversations, shared prefixes and real requests? (closed loop)

`--llm-traffic` names files of fixtures/traffic; docs/traffic.md says what is in them.
"""

import pytest

from llmbench import Bench, Cell


@pytest.mark.llm("traffic", when_named=True)
def test_traffic(llm_bench: Bench, cell: Cell) -> None:
    result = llm_bench.run(cell)
    assert result.valid, result.why
    assert result.meets_slo, result.why
