"""Works out how much of the memory's bandwidth the decoding of a cell used (MBU)."""

from llmbench.config import parse_bytes
from llmbench.results import CellSummary
from llmbench.value_types import ModelSize


def bandwidth_use(summary: CellSummary, size: ModelSize | None) -> float | None:
    """(weights + KV cache read in a step) / time per token / bandwidth; None where not known.

    A step gives a token to each request that decodes: that many requests, by Little's law, are
    output tokens/s × time per token. Each reads the KV of its prompt and of half of its output, as
    far as it has got on average. From Databricks, "LLM Inference Performance Engineering: Best
    Practices" (2023), whose formula is of one request.
    """
    step, inputs, outputs = summary.time_per_token_ms, summary.input_tokens, summary.output_tokens
    rate = summary.output_tokens_per_s
    if (
        size is None
        or size.bandwidth_gb_per_s is None
        or not (step and inputs and outputs and rate)
    ):
        return None
    step_s = step.mean / 1e3
    if step_s <= 0:
        return None
    context = rate * step_s * (inputs.mean + outputs.mean / 2)
    read = parse_bytes(size.weights, "size.weights") + size.kv_bytes(round(context))
    return read / step_s / (size.bandwidth_gb_per_s * 1e9)
