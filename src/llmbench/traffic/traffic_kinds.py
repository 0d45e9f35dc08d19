"""Traffic: what requests say and in which order, where lengths alone do not describe it.

A file under fixtures/traffic/ is one of the kinds of `Traffic`; docs/traffic.md documents the keys.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from llmbench.value_types import Count, Counts, NotNegative, Positive

Cache = Literal["on", "off"]
"""Whether requests leave the server's prompt cache on, or ask it to keep them apart."""


class Think(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a user thinks about an answer before the next turn; seeded.

    `mean_s` is the mean of every distribution, `sigma` the lognormal one's shape.
    """

    mean_s: NotNegative = 0.0
    distribution: Literal["fixed", "exponential", "lognormal"] = "fixed"
    sigma: Positive = 1.0


class Conversations(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="conversations"
):
    """Conversations of several turns, each of which repeats all that was said before.

    With `answers` of the ``model`` the server's own answer of a turn is in the next request, with
    ``recorded`` that of the source.
    """

    name: str
    output_tokens: Count  # of each answer
    source: str = "synthetic"  # as --llm-prompts names one; any: real ones where there are any
    turns: Count = 4  # at most
    fewest_turns: Count = 1  # shorter conversations of a source are left out
    user_tokens: Counts = (32,)  # made up: of each turn's message, the last for all that follow
    most_user_tokens: Count = 256  # a longer message ends a conversation of a source before it
    system: str = ""  # the system prompt
    system_tokens: Annotated[int, Meta(ge=0)] = 0  # made up instead, the same for all conversations
    answers: Literal["model", "recorded"] = "model"
    exact: bool = True  # answers of exactly `output_tokens`, where the engine can be told so
    context_tokens: Count | None = None  # of the longest conversation; None: the server's
    think: Think = Think()
    conversations: Count = 200  # different ones
    cache: Cache = "on"


class SharedPrefix(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="shared-prefix"
):
    """Requests of groups: all of a group begin with the same tokens, and each ends with its own.

    Groups are equally popular, or the k-th has the weight 1 / k ** `exponent` (Zipf's law).
    """

    name: str
    groups: Count
    prefix_tokens: Count
    suffix_tokens: Count
    output_tokens: Count
    popularity: Literal["uniform", "zipf"] = "uniform"
    exponent: Positive = 1.0
    suffixes: Count = 500  # different ones
    cache: Cache = "on"


class Replayed(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="requests"):
    """Requests of a JSONL file, sent as they are; with timestamps when they are due."""

    name: str
    file: str
    output_tokens: Count = 128  # the limit of those that have none
    speedup: Positive = 1.0
    cache: Cache = "on"


Traffic = Conversations | SharedPrefix | Replayed
