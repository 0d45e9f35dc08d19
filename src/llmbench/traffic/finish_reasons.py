"""The reasons that servers give for the end of an answer, in lower case."""

FINISHED_WELL = frozenset(
    [
        *("stop", "length", "eos", "eos_token", "stop_sequence", "stop_token", "end_turn"),
        *("max_tokens", "tool_calls", "tool_use", "function_call", "content_filter"),
    ]
)
"""Finish reasons of an answer that is whole; others are taken for that, and noted."""

FINISHED_BADLY = frozenset(
    [
        *("abort", "aborted", "cancel", "cancelled", "canceled", "error", "failed", "failure"),
        *("internal_error", "server_error", "model_error", "network_error", "timeout"),
        "insufficient_system_resource",
    ]
)
"""Finish reasons of an answer that the server gave up."""
