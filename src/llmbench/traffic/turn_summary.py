"""What the turns of conversations took, each k-th turn apart from the others."""

from msgspec import Struct


class TurnSummary(Struct, frozen=True):
    """The successful requests of one turn (1, 2, …) in the steady window.

    `possible_share` is the share of their prompt tokens that an earlier request already had, and
    `cached_share` the share that the server says it took from its cache.
    """

    turn: int
    requests: int
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    input_tokens_p50: float | None
    possible_share: float | None
    cached_share: float | None
