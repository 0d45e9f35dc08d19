"""The limits of validity, in one place. docs/verdict.md says why each is where it is."""

from msgspec import Struct


class Rules(Struct, frozen=True):
    """The limits of validity. Times in ms, shares between 0 and 1."""

    error_rate: float = 0.05
    resent_share: float = 0.01  # of the measured requests
    output_length_hit_rate: float = 0.5
    output_length_note: float = 0.9
    short_prompts_share: float = 0.05
    input_length_note: float = 0.99
    delivered_share: float = 0.9
    client_lag_floor_ms: float = 20.0  # or one token's time, whichever is longer
    schedule_delay_floor_ms: float = 5.0
    schedule_delay_share: float = 0.05  # of the median TTFT
    little_residual: float = 0.05  # plus one request's share of the window
    ttft_bounded_share: float = 0.1  # and at least two requests
    filling_note: float = 0.05  # of the duration asked for
    bounded_note: float = 0.05
    clock_step_floor_ms: float = 1.0
    clock_step_share: float = 0.05  # of the median TTFT
    throttled_share: float = 0.05
    throttled_note: float = 0.01
    steal_note: float = 0.02  # of the time of the server's cores
    server_view_floor_ms: float = 5.0  # of TTFT and latency, against the server's own
    server_view_token_floor_ms: float = 1.0  # of the time per token
    server_view_share: float = 0.05  # of the client's view; both must be passed
    held_share: float = 0.5  # of the token events that came together with later ones
    held_token_ms: float = 2.0  # by the server's clock: closer tokens may share a read anyway
    outside_spread: float = 0.5  # of the median, from the least to p90: more is not constant
    path_requests: int = 5  # fewer show nothing of the way to the server
    clock_overrun_share: float = 0.1
