"""Works out how fast a server is at each depth of its context, from cells that differ in prompt.

The words are llama-bench's: ``pp256 @ d256`` is the prefill of 256 tokens that follow 256 others,
and ``tg64 @ d256`` the decoding of 64 tokens that follow a prompt of 256.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Literal

from msgspec import Struct

from llmbench.results import CellSummary, Distribution

INTERVAL = 0.95


class DepthSpeed(Struct, frozen=True):
    """The rate of one phase at one depth, with its 95 % interval; ``None`` means not known.

    `tokens` and `depth_tokens` are as asked for, and name the test; rates go by the server's count.
    An end that is None is beyond what the requests tell. `at_least` marks a rate that counts all
    of TTFT as prefill, so the server is faster. `server_tokens_per_s` is the same by the server's
    own times.
    """

    phase: Literal["prefill", "decode"]
    tokens: int
    depth_tokens: int
    n: int  # requests, of the fewer of two lengths
    tokens_per_s: float | None
    low: float | None = None
    high: float | None = None
    server_tokens_per_s: float | None = None
    at_least: bool = False

    @property
    def resolved(self) -> bool:
        """Whether the rate is known from above too: noise may hide how much TTFT grew."""
        hidden = self.low is not None and self.high is None
        return self.tokens_per_s is not None and not self.at_least and not hidden

    @property
    def test(self) -> str:
        """Its name as llama-bench writes it."""
        name = f"{'pp' if self.phase == 'prefill' else 'tg'}{self.tokens}"
        return f"{name} @ d{self.depth_tokens}" if self.depth_tokens else name


class _Mean(Struct, frozen=True):
    """The mean of `n` samples, and its standard error (None for one sample)."""

    n: int
    value: float
    error: float | None


def depth_speeds(repeats: Sequence[CellSummary]) -> tuple[DepthSpeed, ...]:
    """The speeds of one configuration, prefill first, each from the shallowest depth down.

    `repeats` are those of its cells at depths, with one output length; repeats are pooled.
    """
    lengths: dict[int, list[CellSummary]] = {}
    for summary in repeats:
        lengths.setdefault(summary.cell.input_tokens, []).append(summary)
    cells = [lengths[length] for length in sorted(lengths)]
    first = [_from_start(cell) for cell in cells[:1]]
    between = [_between(shallow, deep) for shallow, deep in pairwise(cells)]
    return (*first, *between, *(_decoding(cell) for cell in cells))


def _from_start(cell: Sequence[CellSummary]) -> DepthSpeed:
    """The prefill of the shortest prompts: at least tokens / TTFT, as more is in TTFT than it."""
    ttft, tokens = _pooled(cell, "ttft_ms"), _pooled(cell, "input_tokens")
    told = _pooled(cell, "server_ttft_ms")
    return DepthSpeed(
        phase="prefill",
        tokens=cell[0].cell.input_tokens,
        depth_tokens=0,
        n=ttft.n if ttft else 0,
        tokens_per_s=1e3 * tokens.value / ttft.value if tokens and ttft else None,
        server_tokens_per_s=1e3 * tokens.value / told.value if tokens and told else None,
        at_least=True,
    )


def _between(shallow: Sequence[CellSummary], deep: Sequence[CellSummary]) -> DepthSpeed:
    """The prefill of the tokens that the longer prompts have more, by the slope of TTFT.

    What is the same for both lengths (the way there and back, the parsing, the first token's own
    step) falls out of the difference. The interval is Welch's, for means of unequal variances
    (Welch 1947, Biometrika 34).
    """
    depth, whole = (cells[0].cell.input_tokens for cells in (shallow, deep))
    before, after = _pooled(shallow, "input_tokens"), _pooled(deep, "input_tokens")
    tokens = after.value - before.value if before and after else whole - depth
    ttfts = _pooled(shallow, "ttft_ms"), _pooled(deep, "ttft_ms")
    rate, low, high = _slope(tokens, *ttfts)
    told = _slope(tokens, _pooled(shallow, "server_ttft_ms"), _pooled(deep, "server_ttft_ms"))
    return DepthSpeed(
        phase="prefill",
        tokens=whole - depth,
        depth_tokens=depth,
        n=min((ttft.n for ttft in ttfts if ttft), default=0),
        tokens_per_s=rate,
        low=low,
        high=high,
        server_tokens_per_s=told[0],
    )


def _slope(
    tokens: float, before: _Mean | None, after: _Mean | None
) -> tuple[float | None, float | None, float | None]:
    """`tokens` / (after - before) in tokens/s, with the ends of its interval."""
    if before is None or after is None:
        return None, None, None
    more_ms = after.value - before.value
    half_ms = _half_width(before, after)
    rate = 1e3 * tokens / more_ms if more_ms > 0 else None
    if half_ms is None:
        return rate, None, None
    ends = [1e3 * tokens / ms if ms > 0 else None for ms in (more_ms + half_ms, more_ms - half_ms)]
    return rate, ends[0], ends[1]


def _decoding(cell: Sequence[CellSummary]) -> DepthSpeed:
    """The decoding that follows prompts of one length: 1 / mean time per token."""
    gap, told = _pooled(cell, "time_per_token_ms"), _pooled(cell, "server_time_per_token_ms")
    half_ms = _half_width(gap) if gap else None
    low = high = None
    if gap and half_ms is not None:
        low = 1e3 / (gap.value + half_ms)
        high = 1e3 / (gap.value - half_ms) if gap.value > half_ms else None
    return DepthSpeed(
        phase="decode",
        tokens=cell[0].cell.output_tokens,
        depth_tokens=cell[0].cell.input_tokens,
        n=gap.n if gap else 0,
        tokens_per_s=1e3 / gap.value if gap else None,
        low=low,
        high=high,
        server_tokens_per_s=1e3 / told.value if told else None,
    )


def _pooled(cell: Sequence[CellSummary], name: str) -> _Mean | None:
    """The mean of a quantity over the requests of all repeats; None where none has it."""
    parts: list[Distribution] = [part for s in cell if (part := getattr(s, name)) is not None]
    n = sum(part.n for part in parts)
    if not n:
        return None
    mean = sum(part.n * part.mean for part in parts) / n
    squares = sum((p.n - 1) * p.stdev**2 + p.n * (p.mean - mean) ** 2 for p in parts)
    return _Mean(n, mean, sqrt(squares / (n - 1) / n) if n > 1 else None)


def _half_width(*means: _Mean) -> float | None:
    """Half of the interval of a mean, or of the difference of two; None with a single request."""
    from scipy.special import stdtrit

    errors = [(mean.error, mean.n) for mean in means]
    variances = [(error**2, n) for error, n in errors if error is not None]
    if len(variances) < len(means):
        return None
    variance = sum(part for part, _ in variances)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / (n - 1) for part, n in variances)
    return float(stdtrit(freedom, (1 + INTERVAL) / 2)) * sqrt(variance)
