"""What servers tell of themselves while they are loaded: one reading of one server's gauges."""

from msgspec import Struct


class GaugeSample(Struct, frozen=True, omit_defaults=True):
    """What one server's own ``/metrics`` told at one moment; ``None`` is what it doesn't tell.

    `running`, `waiting` and `kv_usage` are of that moment, `accepted_length` is the server's own
    mean over its last steps. The others count from the server's start.
    """

    time_ns: int  # Unix epoch; the middle between asking and the answer
    target: str  # the model's name
    replica: str  # the page's URL
    cell: str
    repeat: int
    running: float | None = None  # requests
    waiting: float | None = None  # requests
    kv_usage: float | None = None  # share of the KV cache
    cache_queries: float | None = None  # prompt tokens that were looked up in the prefix cache
    cache_hits: float | None = None  # of these, tokens that were there
    preemptions: float | None = None  # requests that lost their slot or their KV cache
    drafts: float | None = None  # of speculative decoding: steps that verified a draft
    draft_tokens: float | None = None
    accepted_tokens: float | None = None  # of `draft_tokens`
    accepted_length: float | None = None  # tokens of a step: those accepted, and the model's own
    error: str | None = None  # why this reading failed
