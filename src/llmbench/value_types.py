"""The types of the values that a configuration may hold, which msgspec checks."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
NumaNode = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
ArrivalsText = Annotated[str, Meta(pattern=r"^(poisson|constant|gamma:\d*\.?\d+)$")]
Counts = Annotated[tuple[Count, ...], Meta(min_length=1)]
Percentiles = dict[Literal["p50", "p90", "p95", "p99"], Positive]
Port = Annotated[int, Meta(ge=1, le=65535)]
Preset = Literal[
    "mlperf-llama2-70b",
    "mlperf-llama2-70b-interactive",
    "mlperf-llama3.1-405b",
    "mlperf-llama3.1-405b-interactive",
    "mlperf-llama3.1-8b",
    "mlperf-llama3.1-8b-interactive",
    "mlperf-mixtral-8x7b",
    "mlperf-deepseek-r1",
    "mlperf-deepseek-r1-interactive",
    "mlperf-gpt-oss-120b",
    "mlperf-gpt-oss-120b-interactive",
]
"""The names of MLPerf's limits, which `llmbench.metrics.slos` holds."""


class ModelSize(Struct, frozen=True, forbid_unknown_fields=True):
    """What a model needs in memory, so that a launch that can't fit is told before it starts.

    The KV cache holds a key and a value of `head_size` numbers for each layer, KV head and token.
    """

    weights: str  # "3.6g", as the engine loads them
    layers: Count
    kv_heads: Count
    head_size: Count
    kv_number_bytes: Positive = 2.0  # of a number in the KV cache: 2 in 16 bits

    def kv_bytes(self, tokens: int) -> int:
        """The KV cache of so many tokens in all."""
        numbers = 2 * self.layers * self.kv_heads * self.head_size * tokens
        return round(numbers * self.kv_number_bytes)
