"""What a cell shows in its window, from the times of its requests, as `llmbench.metrics` has it."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]


class CellFigures(Struct, frozen=True):
    """What a twin is fitted to and foretells: means over the requests of a cell, and its rate."""

    ttft_ms: float
    time_per_token_ms: float  # 0 where answers have a single token
    output_tokens_per_s: float

    @property
    def logs(self) -> Array:
        """Their logarithms, so that differences are relative."""
        with np.errstate(divide="ignore"):
            return np.log((self.ttft_ms, self.time_per_token_ms, self.output_tokens_per_s))


KINDS = CellFigures.__struct_fields__


def steady(sent: Array, last: Array, user: Array) -> tuple[float, float]:
    """The window in which all users are active, or the whole where too few requests are sent in it.

    The rule is that of `llmbench.metrics.windows`; times are in ms.
    """
    users = np.unique(user)
    start = max(sent[user == one].min() for one in users)
    end = min(last[user == one].max() for one in users)
    inside = np.count_nonzero((sent >= start) & (sent < end))
    several = len(user) > len(users) or len(user) == 1
    if end > start and several and inside >= len(users):
        return float(start), float(end)
    return float(sent.min()), float(last.max())


def tokens_per_s(
    first: Array, last: Array, window: tuple[float, float], output_tokens: int
) -> float:
    """The tokens of answers by the share of their decoding that lies in the window (ms).

    The rule is that of `llmbench.metrics.rates`.
    """
    start, end = window
    length = last - first
    overlap = np.clip(np.minimum(last, end) - np.maximum(first, start), 0, None)
    point = ((first >= start) & (first <= end)).astype(np.float64)
    share = np.where(length > 0, overlap / np.where(length > 0, length, 1.0), point)
    return 1e3 * output_tokens * float(share.sum()) / (end - start)
