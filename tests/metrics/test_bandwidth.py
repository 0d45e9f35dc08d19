"""Memory bandwidth utilisation, by hand."""

import msgspec
import pytest

from llmbench.metrics import bandwidth_use, summarise, table
from llmbench.value_types import ModelSize
from tests.metrics.making import back_to_back, cell_run

SIZE = ModelSize("1g", layers=10, kv_heads=2, head_size=64, bandwidth_gb_per_s=50.0)


def test_weights_and_the_kv_of_all_that_decode_are_read_for_each_token() -> None:
    summary = summarise(cell_run(), table(back_to_back(5)))
    step, inputs, outputs = summary.time_per_token_ms, summary.input_tokens, summary.output_tokens
    assert step and inputs and outputs and summary.output_tokens_per_s
    decoding = summary.output_tokens_per_s * step.mean / 1e3
    kv_bytes = 2 * 10 * 2 * 64 * 2 * round(decoding * (inputs.mean + outputs.mean / 2))
    expected = (2**30 + kv_bytes) / (step.mean / 1e3) / 50e9
    assert bandwidth_use(summary, SIZE) == pytest.approx(expected)
    assert 0.0 < expected < 100.0


def test_without_a_bandwidth_it_is_not_known() -> None:
    summary = summarise(cell_run(), table(back_to_back(5)))
    assert bandwidth_use(summary, None) is None
    untold = msgspec.structs.replace(SIZE, bandwidth_gb_per_s=None)
    assert bandwidth_use(summary, untold) is None
